// Lists the words and patterns that names and prose must not use, each with what to write instead. docs/glossary.md has
// the words to use.

export interface BannedText {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files the rule applies to, by path; absent: all. */
  readonly files?: RegExp;
}

/** Phrases in comments, messages, test titles and documents. Case does not matter. */
export const bannedPhrases: readonly BannedText[] = [
  { pattern: /\btold\b/, instead: 'reported, sent, emitted, notified' },
  { pattern: /\b(?:gone|goes|going|go|went) on with\b/, instead: 'continues, resumes' },
  { pattern: /\b(?:let|lets|letting) go of\b/, instead: 'releases, closes, frees' },
  { pattern: /\bwho(?:so)?ever\b/, instead: 'the actor: client, session, caller, operator, watcher' },
  { pattern: /\bnobody\b/, instead: 'no client, no watcher, nothing' },
  { pattern: /\beverybody\b/, instead: 'every client, all watchers' },
  {
    pattern: /\bwho (?:is|has|waits|wants|comes|asks|opens|reads|watches|left)\b/,
    instead: 'the actor: "a client that …"',
  },
  { pattern: /\b(?:those|they|he|she) who\b/, instead: 'the actor: "clients that …"' },
  { pattern: /\b(?:no|not|nothing|never|none) (?:\w+ ){0,6}any ?more\b/, instead: 'no longer' },
  { pattern: /\bsafe twice\b/, instead: 'Idempotent.' },
  { pattern: /\bas (?:those|they) see\b/, instead: 'name what is visible, and to what' },
  { pattern: /\b(?:come|comes|came|coming) to (?:nothing|its end|an end|be)\b/, instead: 'fails, ends, becomes' },
  { pattern: /\bwhat (?:it|they|he|she|a \w+|the \w+) (?:comes?|came) to\b/, instead: 'the result' },
  { pattern: /\b(?:is|are|was|were) looked (?:on|at|for|after)\b/, instead: 'watches, checks, finds: active voice' },
  { pattern: /\b(?:is|are|was|were) (?:not )?waited for\b/, instead: 'waits for: name what waits' },
  { pattern: /\b(?:is|are) to be had\b|\bcannot be had\b/, instead: 'is available, is missing' },
  { pattern: /\bof (?:those|these) (?:that|which|who)\b/, instead: 'if, for each, those' },
  { pattern: /\bfor the case that\b/, instead: 'if' },
  { pattern: /\bworth a word\b/, instead: 'warning' },
  { pattern: /\bfor (?:its|their|his|her) sake\b/, instead: 'because of' },
  { pattern: /\bstands? (?:behind|there|beside|above|below)\b/, instead: 'follows, is: say where it is' },
  { pattern: /\b(?:all|anything|everything|nothing) there is\b/, instead: 'all, anything, everything, nothing' },
  { pattern: /\bcoming into being\b|\bcome into being\b/, instead: 'being created' },
  { pattern: /\bat whichever\b|\bwhichever moment\b/, instead: 'at any' },
  { pattern: /\b(?:an?|one) (\w+) a \1\b/, instead: 'one … per …' },
  { pattern: /\bthe disk (?:refuses|refused|has refused)\b/, instead: 'write error' },
  { pattern: /\bthrows what\b|\brejects with what\b/, instead: 'Rejects with the … error.' },
  { pattern: /(?:\/\*\*|^\s*\*|\/\/|[.:;]) (?:Gives|Tells|Says)\b/, instead: 'Returns, Reports, Sends' },
  {
    pattern: /(?:\/\*\*|^\s*\*|\/\/) Of (?:an?|the|its|their|all|each|one|those|what)\b/,
    instead: 'For …, or the noun first',
  },
];

/** Uses of the wall clock, which give wrong durations when the clock of the machine is changed. */
const wallClockUses = [
  /\bDate\.now\b/,
  /\bDate\.parse\([^()]*\) *[-+<>]/,
  /[-+<>] *Date\.parse\(/,
  /\.getTime\(\) *[-+<>]/,
];

/** Single words, in prose and as parts of names. */
export const bannedWords: Readonly<Record<string, string>> = {
  door: 'compat API, endpoint',
  doors: 'compat',
  room: 'capacity, module, space',
  rooms: 'modules',
  storey: 'layer',
  storeys: 'layers',
  house: 'gateway',
  heart: 'core',
  lull: 'gap, idle time',
  ledger: 'recorder, index, journal',
  foster: 'adopt',
  belongings: 'resources, obligations',
  orphan: 'await reconnect',
  hurry: 'force, forceStop',
  hurried: 'forced',
  hurries: 'forces',
  kin: 'process members',
  kinship: 'process members',
  surveyor: 'scanner',
  allowance: 'permissions',
  outlet: 'sink',
  complaint: 'diagnostic',
  complaints: 'diagnostics',
  circles: 'cycles',
  knots: 'strongly connected components',
  patiently: 'with a timeout',
  turnover: 'pace',
};

/** Names of types, functions and fields that were replaced. Matched as whole identifiers, and case matters. */
export const bannedIdentifiers: Readonly<Record<string, string>> = {
  owedBytesMax: 'pendingWriteBytesMax',
  heldFramesMax: 'earlyInputFramesMax',
  heldBytesMax: 'earlyInputBytesMax',
  lostMs: 'clientTimeoutMs',
  returnMs: 'reconnectMs',
  bodyMs: 'bodyReturnMs',
  drainMs: 'outputDrainMs',
  sweepMs: 'retentionIntervalMs',
  powIdsMax: 'powRunsMax',
  House: 'GatewayServer, CliBackend',
  Bond: 'RunAttachment',
  BondNews: 'AttachmentListener',
  HeldInput: 'EarlyInputBuffer',
  GuardedSocket: 'DeferredCloseSocket',
  SocketOutlet: 'SocketSink',
  BytesOutlet: 'ByteSink',
  Standing: 'RunStateTracker',
  Stays: 'PresenceTracker',
  StayAs: 'PresenceRole',
  RunFacts: 'RunSpec',
  factsOf: 'createRunSpec',
  Refusal: 'RunRejected, HttpError',
  HttpRefusal: 'UpgradeRejection',
  PinRefusal: 'PinError',
  InputHold: 'InputLease',
  Feeder: 'InputListener',
  Teller: 'PipelineEmitter, EventForwarder',
  Scribe: 'LogTextWriter',
  Desk: 'RequestHandler',
  Board: 'Scheduler, LiveView',
  Ledger: 'JobRecorder',
  Story: 'JobTracker',
  Mark: 'Checkpoint',
  BytesItem: 'OutputEntry',
  PastLog: 'StoredLog',
  Ground: 'CheckContext',
  Spot: 'Target',
  Tally: 'ArchiveStats',
  TryEnd: 'AttemptResult',
  TryStop: 'AttemptDeadline',
  tryJob: 'runAttempt',
  Driven: 'PlanResult',
  takingTurns: 'limitConcurrency',
  inAdvance: 'mapAhead',
  turnOver: 'paceYoungGc',
  admitNoMore: 'stopAccepting',
  hurryAll: 'forceStopAll',
  runAtTerminal: 'runSession',
  atGateway: 'withGateway',
  usualFiles: 'defaultFiles',
  laterKeys: 'plannedKeys',
  saidBy: 'engineMessage',
  payloadsOf: 'parseTextFrames',
};

/** Patterns in code: names, and uses of clocks and random numbers. */
export const bannedNames: readonly BannedText[] = [
  ...wallClockUses.map((pattern) => ({
    pattern,
    // Only server/support/wall-clock.ts may read the wall clock, for times that are shown.
    files: /^(?:calls|protocol|server\/(?!support\/wall-clock\.ts$)).*\.ts$/,
    instead: 'performance.now() or machineTime() for durations and deadlines; new Date() for times that are only shown',
  })),
  { pattern: /\b(?:interface|type|class) [A-Z]\w*Parts\b/, instead: '…Deps' },
  { pattern: /\b(?:interface|type|class) [A-Z]\w*(?:Wish|Wanted)\b/, instead: '…Options, …Request, …Query' },
  { pattern: /\b(?:interface|type|class) [A-Z]\w*News\b/, instead: '…Listener, …Handlers' },
  {
    pattern: /\b(?:interface|type|class) (?:Told|Said|Kept|Found|Sought|Asked|Answer|Checked|Heard)\b/,
    instead: 'a noun that says what it holds',
  },
  { pattern: /\bfunction (?:\w+Of)\b/, instead: 'a verb, or a qualified noun: readText, segmentPath' },
  { pattern: /\b(?:const|let|var) it\b|\(it\b[^('"`]*\) =>|\bit =>/, instead: 'a noun' },
  { pattern: /\bMath\.random\b/, instead: 'createRandom(seed), with the seed in the title', files: /^test\// },
  {
    pattern: /expect\(.*\bDate\.now\(\)|\bdeadline\b.*\bDate\.now\(\)/,
    instead: 'performance.now(), waitUntil, or a clock the test drives',
    files: /^test\//,
  },
];

/** Lines that may contain banned text, by file: they quote an old name, or a name from outside this project. */
export const quotations: readonly { readonly file: RegExp; readonly line: RegExp }[] = [
  // Names the old key and scope, for operators whose configuration still has them.
  { file: /^CHANGELOG\.md$/, line: /`doors`|`door\.pin`/ },
  // The Unix user of that name.
  { file: /^(?:server|test)\/docker\//, line: /\bnobody\b/ },
];
