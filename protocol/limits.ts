// Every bound of the gateway that a peer or an operator can meet: its name, default, unit and meaning.
// docs/configuration.md shows this table; distillery.yaml sets any of them under `limits:`; a test compares the three.

/** What a limit counts. Durations are milliseconds, sizes are bytes. */
export type LimitUnit = 'ms' | 'bytes' | 'frames' | 'count';

export interface Limit {
  readonly default: number;
  readonly unit: LimitUnit;
  /** The least value that makes sense; configuration below it is refused. */
  readonly min: number;
  readonly summary: string;
}

export const limits = {
  firstCallMs: { default: 10_000, unit: 'ms', min: 10, summary: 'from the upgrade to the call message' },
  pingMs: { default: 54_000, unit: 'ms', min: 10, summary: 'between two pings of the server' },
  lostMs: { default: 60_000, unit: 'ms', min: 20, summary: 'without a message or pong until a connection counts as lost' },
  writeStallMs: { default: 10_000, unit: 'ms', min: 20, summary: 'without progress in writing to a client until it counts as lost' },
  closeMs: { default: 1_000, unit: 'ms', min: 10, summary: 'from our Close frame to dropping the connection' },
  requestMs: { default: 10_000, unit: 'ms', min: 10, summary: 'for a client to send the head of an HTTP request' },
  messageBytesMax: { default: 1 << 20, unit: 'bytes', min: 64, summary: 'of one message from a client' },
  heldFramesMax: { default: 64, unit: 'frames', min: 0, summary: 'of text held before the call message' },
  heldBytesMax: { default: 64 << 10, unit: 'bytes', min: 0, summary: 'of text held before the call message' },
  inputBytesMax: { default: 1 << 20, unit: 'bytes', min: 1, summary: 'of input queued for one run' },
  lineBytesMax: { default: 1 << 20, unit: 'bytes', min: 64, summary: 'of one output line; longer ones are cut into lines of this size' },
  sessionsMax: { default: 10_000, unit: 'count', min: 1, summary: 'websocket sessions open at once' },
  runsMax: { default: 10_000, unit: 'count', min: 1, summary: 'runs going on at once; more wait' },
  queuedMax: { default: 10_000, unit: 'count', min: 0, summary: 'runs waiting, over all calls; more are refused' },
  tailBytesMax: { default: 1 << 20, unit: 'bytes', min: 0, summary: 'of a run kept in memory for its watchers' },
  owedBytesMax: { default: 8 << 20, unit: 'bytes', min: 1 << 16, summary: 'of a run waiting for the disk before its process is made to wait' },
  segmentBytesMax: { default: 64 << 20, unit: 'bytes', min: 1 << 16, summary: 'of one segment of a log: what retention removes at once' },
  outputBytesMax: { default: 10 * 2 ** 30, unit: 'bytes', min: 0, summary: 'of output stored for one run; what comes after is dropped, and the run goes on. 0: no bound' },
  socketBytesMax: { default: 512 << 10, unit: 'bytes', min: 1 << 10, summary: 'waiting in one socket before its watcher pauses' },
  watchersBytesMax: { default: 32 << 20, unit: 'bytes', min: 1 << 20, summary: 'waiting in all sockets together before a watcher with anything waiting pauses' },
  chunkMs: { default: 20, unit: 'ms', min: 0, summary: 'for which output to a pow-1 client is gathered into one frame' },
  chunkBytesMax: { default: 64 << 10, unit: 'bytes', min: 4, summary: 'of one such frame' },
  powIdleMs: { default: 60_000, unit: 'ms', min: 10, summary: 'without a request for it until a run of `/api/v1/pow/new` is cancelled, or its result forgotten' },
  powIdsMax: { default: 10_000, unit: 'count', min: 1, summary: 'ids of `/api/v1/pow/new` known at once' },
  powLinesMax: { default: 1_000, unit: 'count', min: 1, summary: 'lines in the `buffer` of `/api/v1/pow/status/{id}`: the last ones' },
  powBufferBytesMax: { default: 1 << 20, unit: 'bytes', min: 64, summary: 'of that buffer; fewer lines are given when they are longer' },
  drainMs: { default: 200, unit: 'ms', min: 0, summary: 'for output to end after the process did, before its stragglers are ended' },
  graceMs: { default: 10_000, unit: 'ms', min: 0, summary: 'between the stop signal and the kill, unless the call says otherwise' },
  releaseMs: { default: 30_000, unit: 'ms', min: 100, summary: 'beyond the grace for one obligation to be released and verified' },
  returnMs: { default: 30_000, unit: 'ms', min: 0, summary: 'after a crash of the gateway, for the client of an adopted run to come back before the run is cancelled' },
  bodyMs: { default: 1_000, unit: 'ms', min: 0, summary: 'for the code of a stopped call to return, after the grace and the release of all it started' },
  pullMs: { default: 600_000, unit: 'ms', min: 100, summary: 'for pulling one image' },
  jobsMax: { default: 4, unit: 'count', min: 1, summary: 'jobs of one pipeline at once; more wait' },
  workspaceBytesMax: { default: 256 << 20, unit: 'bytes', min: 0, summary: 'of files sent with a pipeline, unpacked' },
  workspaceFilesMax: { default: 100_000, unit: 'count', min: 0, summary: 'files, folders and links sent with a pipeline' },
  artifactBytesMax: { default: 2 ** 30, unit: 'bytes', min: 0, summary: 'of artifacts kept of one run' },
  artifactFilesMax: { default: 100_000, unit: 'count', min: 0, summary: 'files, folders and links among them' },
  jobOutputsBytesMax: { default: 64 << 10, unit: 'bytes', min: 0, summary: 'of the file in which a job hands on its outputs' },
  stallMs: { default: 300_000, unit: 'ms', min: 0, summary: 'of silence after which a run counts as stalled, unless the call says otherwise. 0: never' },
  partialMs: { default: 200, unit: 'ms', min: 10, summary: 'of quiet after which an unfinished line is told' },
  partialBytesMax: { default: 4 << 10, unit: 'bytes', min: 64, summary: 'of an unfinished line that is told: its end' },
  sweepMs: { default: 60_000, unit: 'ms', min: 10, summary: 'between two looks for what retention is to remove, when no run ends' },
  streamsMax: { default: 1_000, unit: 'count', min: 1, summary: 'event streams of /runs/{id}/events open at once' },
  heartbeatMs: { default: 15_000, unit: 'ms', min: 10, summary: 'without anything to tell after which an event stream shows that it lives' },
  pageLinesMax: { default: 10_000, unit: 'count', min: 1, summary: 'lines in one answer of /runs/{id}/lines' },
  pageArtifactsMax: { default: 10_000, unit: 'count', min: 1, summary: 'artifacts in one answer of /runs/{id}/artifacts' },
  pageRunsMax: { default: 500, unit: 'count', min: 1, summary: 'runs in one answer of /runs' },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limits;

/** One exact value for every limit. */
export type Limits = { readonly [name in LimitName]: number };

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(limits).map(([name, limit]) => [name, limit.default]),
) as Limits;
