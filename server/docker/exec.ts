// One more command in a container that runs, without input and without a terminal.

import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WorkFailed, WorkLost, type Exit } from '../../calls/contract/engines.ts';
import type { Output, OutputStream } from '../../calls/contract/ports.ts';
import { hijack, pumpOutput } from './attach.ts';
import type { Connection } from './connect.ts';
import { isUnreachable, refused, saidBy, statusOf } from './failure.ts';

export interface Command {
  readonly words: readonly string[];
  readonly workdir?: string;
  readonly output: Output;
}

/** One that has been started. Its socket is to be destroyed. */
export interface Running {
  readonly socket: Socket;
  /** Resolves when it has ended and its output is all passed on, as far as that could be had. Throws WorkFailed when there was no such command, WorkLost when its end cannot be known. */
  ended(): Promise<{ readonly exit: Exit; readonly outputLost: boolean }>;
}

/** Throws WorkFailed with the engine's reason. */
export async function startCommand(engine: Connection, container: string, { words, workdir, output }: Command): Promise<Running> {
  try {
    const exec = await engine.docker.getContainer(container).exec({
      Cmd: [...words], AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, ...(workdir !== undefined && { WorkingDir: workdir }),
    });
    const body = { file: Buffer.from(JSON.stringify({ Detach: false, Tty: false })), headers: { 'Content-Type': 'application/json' } };
    const socket = await hijack(engine, { path: `/exec/${exec.id}/start`, ...body });
    return { socket, ended: () => endOf(engine, { id: exec.id, socket, output }) };
  } catch (error) {
    throw refused('cannot run the command in the container', error);
  }
}

async function endOf(engine: Connection, { id, socket, output }: { readonly id: string; readonly socket: Socket; readonly output: Output }): ReturnType<Running['ended']> {
  const heard = new Refusal(output);
  // A broken stream is no end of the command: that is asked for in any case.
  const outputLost = await pumpOutput(socket, heard).then(() => false, () => true);
  const exitCode = await exitCodeOf(engine, id);
  const reason = heard.reason(exitCode);
  if (reason !== undefined) throw new WorkFailed(`cannot run the command in the container: ${reason}`);
  return { exit: { exitCode }, outputLost };
}

const lookMs = 50;

/** The engine tells the end of the stream first, and may note the exit code a moment later. */
async function exitCodeOf({ docker }: Connection, id: string): Promise<number> {
  for (;;) {
    try {
      const { Running, ExitCode } = await docker.getExec(id).inspect();
      if (!Running && ExitCode !== null) return ExitCode;
    } catch (error) {
      if (isUnreachable(error)) throw new WorkLost('the Docker engine went away while a command was running', { cause: error });
      if (statusOf(error) === 404) throw new WorkLost('the container went away before the exit code of a command in it was seen', { cause: error });
      throw new WorkLost(`the Docker engine does not say how the command ended: ${saidBy(error)}`, { cause: error });
    }
    await pause(lookMs);
  }
}

const headBytesMax = 1 << 10;

/** The output, overheard: the engine has said yes to a command before it looks for it, and then tells that there is none as if the command had printed it. */
class Refusal implements Pick<Output, 'write' | 'full' | 'drained'> {
  readonly #output: Output;
  #head = Buffer.alloc(0);

  constructor(output: Output) {
    this.#output = output;
  }

  write(stream: OutputStream, chunk: Uint8Array): void {
    if (this.#head.length < headBytesMax) this.#head = Buffer.concat([this.#head, chunk.subarray(0, headBytesMax)]);
    this.#output.write(stream, chunk);
  }

  get full(): boolean {
    return this.#output.full;
  }

  drained(): Promise<void> {
    return this.#output.drained();
  }

  /** 126 and 127 alone may be the work's own. */
  reason(exitCode: number): string | undefined {
    if (exitCode !== 126 && exitCode !== 127) return undefined;
    const said = /^OCI runtime exec failed: (?:exec failed: )?(.*)\r\n$/.exec(this.#head.toString())?.[1];
    return said === undefined ? undefined : saidBy(new Error(said));
  }
}
