// `distillery serve`: the gateway itself, until a signal ends it.

import { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { deferred } from '../../support/deferred.ts';
import { exitCodes } from '../exit-codes.ts';
import { onInterrupts } from '../interrupts.ts';
import { hasColour } from '../paint.ts';
import type { Ends, House, LoadedConfig, RunningGateway } from '../parts.ts';

interface ServeFlags {
  readonly config: string;
  readonly listen?: string;
  readonly privateEngine?: true;
}

export function serveCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('serve')
    .summary('run the gateway')
    .description('Run the gateway. Prints "listening on URL" when it is ready. SIGTERM and SIGINT end it gracefully, a second one at once;\n'
      + 'SIGHUP reads the configuration again.')
    .option('--config <file>', 'the configuration', 'distillery.yaml')
    .option('--listen <host:port>', 'listen here, whatever the configuration says; port 0 picks a free one')
    .option('--private-engine', 'where no Docker engine can be reached, start one for this gateway alone (Linux, as root)')
    .addHelpText('after', '\nExit codes: 0 stopped, 1 cannot start, 2 the configuration is not valid.'
      + '\n\nExamples:\n  $ distillery serve\n  $ distillery serve --config /etc/distillery.yaml --listen 127.0.0.1:0')
    .action(async (flags: ServeFlags) => exit(await serve(flags, house, ends)));
}

async function serve(flags: ServeFlags, house: House, ends: Ends): Promise<number> {
  const config = await readConfig(flags, house);
  if (!config.ok) {
    ends.stderr.write(`${config.complain(hasColour(ends.stderr, ends.env)).trimEnd()}\n`);
    return exitCodes.usage;
  }
  const stopping = stopRequest();
  try {
    const gateway = await house.startGateway({ file: flags.config, config: config.config, privateEngine: flags.privateEngine === true });
    ends.stdout.write(`listening on ${gateway.url}\n`);
    return await untilStopped(gateway, stopping, () => reload(flags, house, ends, gateway));
  } catch (error) {
    ends.stderr.write(`distillery: ${startProblem(error, config.config)}\n`);
    return exitCodes.failed;
  } finally {
    stopping.dispose();
  }
}

/** The configuration with `--listen` applied. */
async function readConfig(flags: ServeFlags, house: House): Promise<LoadedConfig> {
  const loaded = await house.loadConfig(flags.config);
  if (!loaded.ok || flags.listen === undefined) return loaded;
  const moved = house.listenOn(loaded.config, flags.listen);
  return 'problem' in moved ? { ok: false, complain: () => `distillery: --listen: ${moved.problem}` } : { ok: true, config: moved.config };
}

/** Listens from before the start, so that a signal that comes while the gateway starts is not lost. */
function stopRequest(): { readonly asked: Promise<void>; dispose(): void } {
  const { promise, resolve } = deferred<void>();
  const dispose = onInterrupts(['SIGTERM', 'SIGINT'], (count) => {
    resolve();
    // What is left behind now is found and ended by the next start.
    if (count > 1) process.exit(exitCodes.failed);
  });
  return { asked: promise, dispose };
}

async function untilStopped(gateway: RunningGateway, stopping: { readonly asked: Promise<void> }, onHangUp: () => Promise<void>): Promise<number> {
  const hangUp = (): void => void onHangUp();
  process.on('SIGHUP', hangUp);
  try {
    await stopping.asked;
    await gateway.stop();
    return exitCodes.succeeded;
  } finally {
    process.off('SIGHUP', hangUp);
  }
}

/** A bad file changes nothing. */
async function reload(flags: ServeFlags, house: House, ends: Ends, gateway: RunningGateway): Promise<void> {
  try {
    const loaded = await readConfig(flags, house);
    if (loaded.ok) await gateway.reload(loaded.config);
    else ends.stderr.write(`${loaded.complain(false).trimEnd()}\n`);
  } catch (error) {
    ends.stderr.write(`distillery: the configuration was not reloaded: ${(error as Error).message}\n`);
  }
}

function startProblem(error: unknown, config: Config): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const at = `${config.http.host}:${config.http.port}`;
  if (code === 'EADDRINUSE') return `${at} is in use already; --listen ${config.http.host}:0 picks a free port`;
  if (code === 'EACCES') return `may not listen on ${at}; ports below 1024 need root`;
  return `cannot start: ${message ?? String(error)}`;
}
