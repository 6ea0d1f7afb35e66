// `distillery serve`: the gateway itself, until a signal ends it.

import { Command } from 'commander';
import { deferred } from '../../support/deferred.ts';
import { exitCodes } from '../exit-codes.ts';
import { onInterrupts } from '../interrupts.ts';
import { hasColour } from '../paint.ts';
import type { Ends, House, ListenAddress, ServeOptions } from '../parts.ts';

interface ServeFlags {
  readonly config: string;
  readonly listen?: string;
  readonly privateEngine?: true;
}

export function serveCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('serve')
    .summary('run the gateway')
    .description('Run the gateway. Prints "listening on URL" when it is ready. SIGTERM and SIGINT end it gracefully, a second one skips the'
      + ' grace of the runs, a third one ends it at once. SIGHUP reads the configuration again, and so does a change of the file.')
    .option('--config <file>', 'the configuration', 'distillery.yaml')
    .option('--listen <host:port>', 'listen here, whatever the configuration says; port 0 picks a free one')
    .option('--private-engine', 'where no Docker engine can be reached, start one for this gateway alone (Linux, as root)')
    .addHelpText('after', '\nExit codes: 0 stopped, 1 cannot start, 2 the configuration is not valid.'
      + '\n\nExamples:\n  $ distillery serve\n  $ distillery serve --config /etc/distillery.yaml --listen 127.0.0.1:0')
    .action(async (flags: ServeFlags) => exit(await serve(flags, house, ends)));
}

async function serve(flags: ServeFlags, house: House, ends: Ends): Promise<number> {
  const read = await readOptions(flags, house);
  if (!read.ok) {
    ends.stderr.write(`${read.complain(hasColour(ends.stderr, ends.env)).trimEnd()}\n`);
    return exitCodes.usage;
  }
  const request = stopRequest();
  try {
    const gateway = await house.startGateway(read.options);
    ends.stdout.write(`listening on ${gateway.url}\n`);
    const code = await Promise.race([request.asked.then(() => exitCodes.succeeded), gateway.faulted.then(() => exitCodes.failed)]);
    request.onSecond(() => gateway.hurry());
    await gateway.stop();
    return code;
  } catch (error) {
    ends.stderr.write(`distillery: ${startProblem(error, read.options.listen ?? read.options.config.http)}\n`);
    return exitCodes.failed;
  } finally {
    request.dispose();
  }
}

type Read = { readonly ok: true; readonly options: ServeOptions } | { readonly ok: false; complain(colour: boolean): string };

async function readOptions(flags: ServeFlags, house: House): Promise<Read> {
  const listen = flags.listen === undefined ? undefined : house.checkListen(flags.listen);
  if (listen?.ok === false) return { ok: false, complain: () => `distillery: --listen: ${listen.message}` };
  const loaded = await house.loadConfig(flags.config);
  if (!loaded.ok) return loaded;
  const { config: file, privateEngine = false } = flags;
  return { ok: true, options: { file, config: loaded.config, privateEngine, ...(listen !== undefined && { listen }) } };
}

interface StopRequest {
  readonly asked: Promise<void>;
  onSecond(hurry: () => void): void;
  dispose(): void;
}

/** Listens from before the start, so that a signal that comes while the gateway starts is not lost. */
function stopRequest(): StopRequest {
  const { promise, resolve } = deferred<void>();
  let hurry: () => void = () => {};
  const dispose = onInterrupts(['SIGTERM', 'SIGINT'], (count) => {
    resolve();
    if (count === 2) hurry();
    // What is left behind now is found and ended by the next start.
    if (count > 2) process.exit(exitCodes.failed);
  });
  return { asked: promise, onSecond: (then) => { hurry = then; }, dispose };
}

/** The address may be that of a door, which the error names. */
function startProblem(error: unknown, listen: ListenAddress): string {
  const { code, message, address: host = listen.host, port = listen.port } = error as NodeJS.ErrnoException & Partial<{ address: string; port: number }>;
  const at = `${host}:${port}`;
  if (code === 'EADDRINUSE' && (host !== listen.host || port !== listen.port)) return `${at} is in use already; give the door another address`;
  if (code === 'EADDRINUSE') return `${at} is in use already; --listen ${host}:0 picks a free port`;
  if (code === 'EACCES') return `may not listen on ${at}; ports below 1024 need root`;
  return `cannot start: ${message ?? String(error)}`;
}
