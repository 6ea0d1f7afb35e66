// What the commands need and do not make themselves. main.ts hands it in.

import type { Config } from '../config/config.ts';

/** The ends of this process, or of a test. */
export interface Ends {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; /** All problems, for people. */ complain(colour: boolean): string };

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ServeOptions {
  /** The file that `config` comes from. */
  readonly file: string;
  readonly config: Config;
  /** In place of the configuration's own. */
  readonly listen?: ListenAddress;
  /** Containers run on an engine of our own where no other can be reached. */
  readonly privateEngine: boolean;
}

export interface RunningGateway {
  /** `http://host:port` */
  readonly url: string;
  /** Ends all runs, then the server. */
  stop(): Promise<void>;
  /** Skips the rest of every grace. */
  hurry(): void;
  /** Resolves when the gateway can no longer be trusted and is to be stopped; the log says why. */
  readonly faulted: Promise<void>;
}

export interface House {
  readonly version: string;
  /** Never throws for what is in the file, or for its absence. */
  loadConfig(file: string): Promise<LoadedConfig>;
  /** Reads `host:port`, or says what is wrong with it. */
  checkListen(address: string): ({ readonly ok: true } & ListenAddress) | { readonly ok: false; readonly message: string };
  /** Follows the configuration file, too. */
  startGateway(options: ServeOptions): Promise<RunningGateway>;
}
