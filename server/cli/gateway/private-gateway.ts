// Finds a running gateway, or starts one in this process for the time of one command.

import { access } from 'node:fs/promises';
import type { CliBackend, LoadedConfig, Stdio } from '../backend.ts';
import { printError } from '../call/status.ts';
import { hasColour } from '../colors.ts';
import { exitCodes } from '../exit-codes.ts';
import { onInterrupts } from '../interrupts.ts';
import type { GatewayAddress } from './address.ts';
import { fetchJson } from './fetch-json.ts';

export interface GatewayChoice {
  /** Value of --config. */
  readonly config?: string;
  /** True to require a running gateway. */
  readonly running: boolean;
  /** Why the gateway must continue after the command. Absent: it need not. */
  readonly whyLasting?: string;
  readonly quiet: boolean;
}

interface ChoiceDeps {
  readonly backend: CliBackend;
  readonly stdio: Stdio;
}

/**
 * Calls `work` with the address of the running gateway. If no gateway answers there, and no option or variable asks for
 * a running one, starts a gateway for the time of `work`. Resolves with the exit code.
 */
export async function withRunningOrPrivateGateway(
  address: GatewayAddress,
  choice: GatewayChoice,
  deps: ChoiceDeps & { readonly work: (address: GatewayAddress) => Promise<number> },
): Promise<number> {
  const { stdio, work } = deps;
  if (choice.running || address.named || (await isRunning(address))) return work(address);
  const noAnswer = `no gateway answers at ${address.url}`;
  if (choice.whyLasting !== undefined) {
    printError([`${noAnswer}; ${choice.whyLasting}`, 'Start one with "distillery serve".'], stdio);
    return exitCodes.unknown;
  }
  const loaded = await loadConfig(choice.config, deps.backend);
  if (loaded?.ok === false) {
    stdio.stderr.write(`${loaded.formatDiagnostics(hasColour(stdio.stderr, stdio.env)).trimEnd()}\n`);
    return exitCodes.usage;
  }
  printStatus(`${noAnswer}; this command runs one until the end of the run`, choice, deps);
  return runPrivately(loaded, deps);
}

/** True also for a gateway that rejects requests at the moment. */
async function isRunning(address: GatewayAddress): Promise<boolean> {
  const auth = await fetchJson<{ user: string }>(address, 'auth', ['user']);
  return 'body' in auth || auth.status !== undefined;
}

/** Loads the named configuration, or else the one in the current folder; undefined if there is none. */
async function loadConfig(named: string | undefined, backend: CliBackend): Promise<LoadedConfig | undefined> {
  if (named !== undefined) return backend.loadConfig(named);
  const file = 'distillery.yaml';
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  return exists ? backend.loadConfig(file) : undefined;
}

async function runPrivately(
  loaded: Extract<LoadedConfig, { readonly ok: true }> | undefined,
  { backend, stdio, work }: ChoiceDeps & { readonly work: (address: GatewayAddress) => Promise<number> },
): Promise<number> {
  let interrupted = false;
  // The first two signals must not end this process before the gateway has released what it has opened.
  const release = onInterrupts(['SIGINT', 'SIGTERM', 'SIGHUP'], (count) => {
    interrupted = true;
    if (count > 2) process.exit(exitCodes.cancelled);
  });
  try {
    const { socketPath, stop } = await backend.startPrivateGateway(loaded?.config);
    try {
      if (interrupted) return exitCodes.cancelled;
      return await work({ url: 'http://localhost', headers: {}, socketPath, named: true });
    } finally {
      await stop();
    }
  } catch (error) {
    printError([`cannot start a gateway: ${(error as Error).message}`], stdio);
    return exitCodes.unknown;
  } finally {
    release();
  }
}

function printStatus(line: string, { quiet }: GatewayChoice, { stdio }: ChoiceDeps): void {
  if (!quiet) stdio.stderr.write(`${line}\n`);
}
