// Type of the request to start a process, for every starter.

export interface StartRequest {
  /** Absolute path of the program. */
  readonly file: string;
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly umask?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Folder of the cgroup in which the program starts. Needs posix_spawn. */
  readonly cgroup?: string;
  /** Descriptor of the terminal to use as standard input, output and error. Absent: pipes. */
  readonly terminal?: number;
  /** True if the process has to become the leader of a new session. */
  readonly newSession: boolean;
  /** The mark of the obligation (`createLimitMark`), which all descendants of the process inherit. */
  readonly mark: bigint;
}
