// `distillery serve`: runs the gateway until a signal stops it.

import { Command } from 'commander';
import { deferred } from '../../support/deferred.ts';
import type { CliBackend, ListenAddress, ServeOptions, Stdio } from '../backend.ts';
import { hasColour } from '../colors.ts';
import { exitCodes } from '../exit-codes.ts';
import { onInterrupts } from '../interrupts.ts';

interface ServeFlags {
  readonly config: string;
  readonly listen?: string;
  readonly privateEngine?: true;
  readonly newIdentity?: true;
}

const helpFooter = `
Exit codes: 0 stopped by a signal; 1 cannot start, stopped by a third signal, or stopped after an
uncaught exception; 2 the configuration is not valid.

Examples:
  $ distillery serve
  $ distillery serve --config /etc/distillery.yaml --listen 127.0.0.1:0`;

export function serveCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('serve')
    .summary('run the gateway')
    .description(
      'Runs the gateway. Prints "listening on URL" when it is ready. SIGTERM or SIGINT stops it gracefully; a second' +
        ' signal skips the grace of the runs, and a third one exits at once. SIGUSR2 stops it and' +
        ' leaves container runs to the next gateway. SIGHUP reloads the configuration, as' +
        ' does a change of the file.',
    )
    .option('--config <file>', 'the configuration file', 'distillery.yaml')
    .option('--listen <host:port>', 'listen on this address instead of http.listen; port 0 picks a free one')
    .option('--private-engine', 'if no Docker engine can be reached, start one for this gateway (Linux, as root)')
    .option('--new-identity', 'the data folder is a copy: give it an identity of its own, once')
    .addHelpText('after', helpFooter)
    .action(async (flags: ServeFlags) => exit(await serve(flags, backend, stdio)));
}

async function serve(flags: ServeFlags, backend: CliBackend, stdio: Stdio): Promise<number> {
  // Do this before the import of the gateway, so that stack traces in its log show lines of the sources.
  process.setSourceMapsEnabled(true);
  const read = await parseOptions(flags, backend);
  if (!read.ok) {
    stdio.stderr.write(`${read.formatDiagnostics(hasColour(stdio.stderr, stdio.env)).trimEnd()}\n`);
    return exitCodes.usage;
  }
  const request = createStopRequest();
  try {
    const gateway = await backend.startGateway(read.options);
    stdio.stdout.write(`listening on ${gateway.url}\n`);
    const code = await Promise.race([
      request.requested.then(() => exitCodes.succeeded),
      gateway.crashed.then(() => exitCodes.failed),
    ]);
    request.onSecondSignal(() => gateway.forceStop());
    await gateway.stop(request.leavesContainers());
    return code;
  } catch (error) {
    stdio.stderr.write(`distillery: ${startErrorText(error, read.options.listen ?? read.options.config.http)}\n`);
    return exitCodes.failed;
  } finally {
    request.dispose();
  }
}

type ParsedOptions =
  | { readonly ok: true; readonly options: ServeOptions }
  | { readonly ok: false; formatDiagnostics(colour: boolean): string };

async function parseOptions(flags: ServeFlags, backend: CliBackend): Promise<ParsedOptions> {
  const listen = flags.listen === undefined ? undefined : backend.checkListen(flags.listen);
  if (listen?.ok === false) return { ok: false, formatDiagnostics: () => `distillery: --listen: ${listen.message}` };
  const loaded = await backend.loadConfig(flags.config);
  if (!loaded.ok) return loaded;
  const { config: file, privateEngine = false, newIdentity = false } = flags;
  return {
    ok: true,
    options: { file, config: loaded.config, privateEngine, newIdentity, ...(listen !== undefined && { listen }) },
  };
}

interface StopRequest {
  readonly requested: Promise<void>;
  /** True if the signal asked to leave container runs to the next gateway. */
  leavesContainers(): boolean;
  onSecondSignal(forceStop: () => void): void;
  dispose(): void;
}

/** Listens for signals before the gateway starts, so that none is lost during the start. */
function createStopRequest(): StopRequest {
  const { promise, resolve } = deferred<void>();
  let forceStop: () => void = () => {};
  let leaves = false;
  const onHandOver = (): void => {
    leaves = true;
    resolve();
  };
  process.on('SIGUSR2', onHandOver);
  const dispose = onInterrupts(['SIGTERM', 'SIGINT'], (count) => {
    resolve();
    if (count === 2) forceStop();
    // The next start finds and releases what is left.
    if (count > 2) process.exit(exitCodes.failed);
  });
  return {
    requested: promise,
    leavesContainers: () => leaves,
    onSecondSignal: (then) => {
      forceStop = then;
    },
    dispose: () => {
      dispose();
      process.off('SIGUSR2', onHandOver);
    },
  };
}

/** Returns the text for an error of the start. The address in the error can be that of a compat API. */
function startErrorText(error: unknown, listen: ListenAddress): string {
  const {
    code,
    message,
    syscall,
    address: host = listen.host,
    port = listen.port,
  } = error as NodeJS.ErrnoException & Partial<{ address: string; port: number }>;
  const at = `${host}:${port}`;
  if (code === 'EADDRINUSE' && (host !== listen.host || port !== listen.port))
    return `${at} is already in use; configure another address for the compat API`;
  if (code === 'EADDRINUSE') return `${at} is already in use; --listen ${host}:0 picks a free port`;
  if (code === 'EACCES' && syscall === 'listen')
    return `permission denied: cannot listen on ${at}${port < 1024 ? '; ports below 1024 need root' : ''}`;
  return `cannot start: ${message ?? String(error)}`;
}
