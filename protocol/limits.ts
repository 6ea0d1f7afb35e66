// Every limit that a client or an operator can reach: default, unit and meaning. distillery.yaml sets them under
// `limits:`; docs/configuration.md shows this table; a test compares the three.

/** Unit of a limit: milliseconds, bytes, frames, or a count of things. */
export type LimitUnit = 'ms' | 'bytes' | 'frames' | 'count';

export interface Limit {
  readonly default: number;
  readonly unit: LimitUnit;
  /** Smallest useful value; the configuration rejects smaller ones. */
  readonly min: number;
  readonly summary: string;
}

export const limits = {
  firstCallMs: { default: 10_000, unit: 'ms', min: 10, summary: 'time from the upgrade to the call message' },
  pingMs: { default: 54_000, unit: 'ms', min: 10, summary: 'time between two pings of the gateway' },
  clientTimeoutMs: {
    default: 60_000,
    unit: 'ms',
    min: 20,
    summary: 'time without a message or pong after which a client counts as disconnected',
  },
  writeStallMs: {
    default: 10_000,
    unit: 'ms',
    min: 20,
    summary: 'time without write progress after which a client counts as disconnected',
  },
  closeMs: {
    default: 1_000,
    unit: 'ms',
    min: 10,
    summary: "time from the gateway's Close frame until it drops the connection",
  },
  requestMs: {
    default: 10_000,
    unit: 'ms',
    min: 10,
    summary: 'time for a client to send the request line and headers of an HTTP request',
  },
  messageBytesMax: { default: 1 << 20, unit: 'bytes', min: 64, summary: 'size of one message from a client' },
  paramBytesMax: {
    default: 128 << 10,
    unit: 'bytes',
    min: 1,
    summary: 'size of the value of one param, unless the param sets its own',
  },
  earlyInputFramesMax: {
    default: 64,
    unit: 'frames',
    min: 0,
    summary: 'number of text frames buffered before the call message',
  },
  earlyInputBytesMax: {
    default: 64 << 10,
    unit: 'bytes',
    min: 0,
    summary: 'size of the text buffered before the call message',
  },
  inputBytesMax: {
    default: 1 << 20,
    unit: 'bytes',
    min: 1,
    summary: 'size of the unread input of one run in memory; more waits in a file',
  },
  inputFileBytesMax: {
    default: 256 << 20,
    unit: 'bytes',
    min: 0,
    summary: 'size of the unread input of one run in its file; more ends the run. 0: no file',
  },
  lineBytesMax: {
    default: 1 << 20,
    unit: 'bytes',
    min: 64,
    summary: 'size of one output line; longer lines are split at this size',
  },
  sessionsMax: { default: 10_000, unit: 'count', min: 1, summary: 'number of open websocket sessions' },
  runsMax: { default: 10_000, unit: 'count', min: 1, summary: 'number of active runs; further runs wait' },
  queuedMax: {
    default: 10_000,
    unit: 'count',
    min: 0,
    summary: 'number of waiting runs of all calls together; further runs are rejected',
  },
  tailBytesMax: {
    default: 1 << 20,
    unit: 'bytes',
    min: 0,
    summary: "size of a run's newest output in memory for its watchers",
  },
  pendingWriteBytesMax: {
    default: 8 << 20,
    unit: 'bytes',
    min: 1 << 16,
    summary: "size of a run's output not yet on disk, beyond which its process has to wait",
  },
  segmentBytesMax: {
    default: 64 << 20,
    unit: 'bytes',
    min: 1 << 16,
    summary: 'size of one log segment, the unit that retention removes',
  },
  outputBytesMax: {
    default: 10 * 2 ** 30,
    unit: 'bytes',
    min: 0,
    summary: 'size of the output stored for one run; the rest is dropped and the run continues. 0: no limit',
  },
  socketBytesMax: {
    default: 512 << 10,
    unit: 'bytes',
    min: 1 << 10,
    summary: 'size of the output queued in one socket, beyond which its watcher pauses',
  },
  watchersBytesMax: {
    default: 32 << 20,
    unit: 'bytes',
    min: 1 << 20,
    summary: 'size of the output queued in all sockets, beyond which every watcher with queued bytes pauses',
  },
  chunkMs: {
    default: 20,
    unit: 'ms',
    min: 0,
    summary: 'time for collecting output to a pow-1 client into one frame',
  },
  chunkBytesMax: {
    default: 64 << 10,
    unit: 'bytes',
    min: 4,
    summary: 'size of the output in one frame to a pow-1 client',
  },
  powIdleMs: {
    default: 60_000,
    unit: 'ms',
    min: 10,
    summary: 'time without a request after which a run of `/api/v1/pow/new` is cancelled or its result deleted',
  },
  powRunsMax: { default: 10_000, unit: 'count', min: 1, summary: 'number of runs of `/api/v1/pow/new` kept at once' },
  powLinesMax: {
    default: 1_000,
    unit: 'count',
    min: 1,
    summary: 'number of newest lines in the `buffer` of `/api/v1/pow/status/{id}`',
  },
  powBufferBytesMax: {
    default: 1 << 20,
    unit: 'bytes',
    min: 64,
    summary: 'size of the `buffer` of `/api/v1/pow/status/{id}`; long lines reduce the number of lines',
  },
  powSearchLinesMax: {
    default: 20_000,
    unit: 'count',
    min: 1,
    summary: 'number of newest lines, those of services included, that are searched for lines of that `buffer`',
  },
  outputDrainMs: {
    default: 2_000,
    unit: 'ms',
    min: 0,
    summary: 'time without output after the process exited, before processes that hold the output open are terminated',
  },
  outputDrainMaxMs: {
    default: 60_000,
    unit: 'ms',
    min: 0,
    summary: 'time for output that continues after the process exited; then processes that still print are terminated',
  },
  graceMs: {
    default: 10_000,
    unit: 'ms',
    min: 0,
    summary: 'time between the stop signal and the kill signal, unless the call sets its own',
  },
  releaseMs: {
    default: 30_000,
    unit: 'ms',
    min: 100,
    summary: 'time beyond the grace to release and verify one obligation',
  },
  reconnectMs: {
    default: 30_000,
    unit: 'ms',
    min: 0,
    summary: 'time after a gateway crash for the client of an adopted run to reconnect; then the run is cancelled',
  },
  alwaysJobsMs: {
    default: 60_000,
    unit: 'ms',
    min: 0,
    summary: 'time that jobs with `when: always` have after the grace of a stopped run',
  },
  bodyReturnMs: {
    default: 1_000,
    unit: 'ms',
    min: 0,
    summary: 'time for the code of a stopped call to return, after the grace and the release of everything it started',
  },
  pullMs: { default: 600_000, unit: 'ms', min: 100, summary: 'time to pull one image' },
  jobsMax: { default: 4, unit: 'count', min: 1, summary: 'number of jobs of one pipeline at once; further jobs wait' },
  workspaceBytesMax: {
    default: 256 << 20,
    unit: 'bytes',
    min: 0,
    summary: 'size of the files sent with a pipeline, unpacked',
  },
  workspaceFilesMax: {
    default: 100_000,
    unit: 'count',
    min: 0,
    summary: 'number of files, folders and links sent with a pipeline',
  },
  artifactBytesMax: { default: 2 ** 30, unit: 'bytes', min: 0, summary: 'size of the artifacts stored for one run' },
  artifactFilesMax: {
    default: 100_000,
    unit: 'count',
    min: 0,
    summary: 'number of files, folders and links among the artifacts of one run',
  },
  jobOutputsBytesMax: {
    default: 64 << 10,
    unit: 'bytes',
    min: 0,
    summary: 'size of the file in which a job writes its outputs',
  },
  serviceOutputBytesMax: {
    default: 64 << 20,
    unit: 'bytes',
    min: 0,
    summary: 'size of the output stored for one service of one attempt of a job; the rest is dropped',
  },
  stallMs: {
    default: 300_000,
    unit: 'ms',
    min: 0,
    summary: 'time without output after which a run counts as stalled, unless the call sets its own. 0: never',
  },
  partialMs: {
    default: 200,
    unit: 'ms',
    min: 10,
    summary: 'time after which an unfinished line is reported, and reported again if it has changed',
  },
  partialBytesMax: {
    default: 4 << 10,
    unit: 'bytes',
    min: 64,
    summary: 'size of an unfinished line in a report; only the end of a longer line is reported',
  },
  retentionIntervalMs: {
    default: 60_000,
    unit: 'ms',
    min: 10,
    summary: 'time between two retention checks if no run ends',
  },
  configQuietMs: {
    default: 500,
    unit: 'ms',
    min: 10,
    summary: 'time without a change of the configuration file, after which the gateway reads it again',
  },
  configConfirmMs: {
    default: 5_000,
    unit: 'ms',
    min: 0,
    summary: 'time without a change of the configuration file, after which a reload may remove something',
  },
  diskFreeMin: {
    default: 0,
    unit: 'bytes',
    min: 0,
    summary:
      'free space on the disk of the data folder below which new runs are rejected. 0: 5 % of the disk, at most 64m',
  },
  streamsMax: { default: 1_000, unit: 'count', min: 1, summary: 'number of open event streams of /runs/{id}/events' },
  heartbeatMs: {
    default: 15_000,
    unit: 'ms',
    min: 10,
    summary: 'time without an event after which an event stream sends a heartbeat',
  },
  pageLinesMax: {
    default: 10_000,
    unit: 'count',
    min: 1,
    summary: 'number of lines in one response of /runs/{id}/lines',
  },
  pageArtifactsMax: {
    default: 10_000,
    unit: 'count',
    min: 1,
    summary: 'number of artifacts in one response of /runs/{id}/artifacts',
  },
  pageRunsMax: { default: 500, unit: 'count', min: 1, summary: 'number of runs in one response of /runs' },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limits;

/** The value of every limit. */
export type Limits = { readonly [name in LimitName]: number };

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(limits).map(([name, limit]) => [name, limit.default]),
) as Limits;
