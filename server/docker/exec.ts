// Runs an additional command in a running container, without input and without a terminal.

import type { Socket } from 'node:net';
import { type Exit, WorkFailed, WorkLost } from '../../calls/contract/engines.ts';
import type { Output } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import type { Connection } from './connect.ts';
import { engineFailure, engineMessage, httpStatus, isUnreachable } from './engine-error.ts';
import { hijack, OutputHead, pumpOutput } from './streams.ts';

export interface ExecCommand {
  readonly argv: readonly string[];
  readonly workdir?: string;
  readonly output: Output;
  /** Aborted when the container has to stop. */
  readonly stopping: AbortSignal;
}

/** A started command. The caller destroys its socket. */
export interface RunningExec {
  readonly socket: Socket;
  /**
   * Resolves when the command has exited and its available output is forwarded. Rejects with WorkFailed if the command
   * could not be started, with WorkLost if its exit code cannot be determined.
   */
  waitForEnd(): Promise<{ readonly exit: Exit; readonly outputLost: boolean }>;
}

/**
 * Starts a command in a running container. Rejects with WorkFailed if the engine reports an error or does not answer.
 */
export async function startExec(
  engine: Connection,
  container: string,
  { argv, workdir, output, stopping }: ExecCommand,
): Promise<RunningExec> {
  try {
    const exec = await engine.docker.getContainer(container).exec({
      Cmd: [...argv],
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      ...(workdir !== undefined && { WorkingDir: workdir }),
    });
    const body = {
      file: Buffer.from(JSON.stringify({ Detach: false, Tty: false })),
      headers: { 'Content-Type': 'application/json' },
    };
    const socket = await hijack(engine, { path: `/exec/${exec.id}/start`, ...body });
    return { socket, waitForEnd: () => waitForExec(engine, { id: exec.id, socket, output, stopping }) };
  } catch (error) {
    throw engineFailure('cannot run the command in the container', error);
  }
}

interface ExecStreams extends Pick<ExecCommand, 'output' | 'stopping'> {
  readonly id: string;
  readonly socket: Socket;
}

async function waitForExec(
  engine: Connection,
  { id, socket, output, stopping }: ExecStreams,
): ReturnType<RunningExec['waitForEnd']> {
  const head = new OutputHead();
  // A broken stream does not mean that the command has exited, so ask the engine in any case.
  const outputLost = await pumpOutput(socket, output, head).then(
    () => false,
    () => true,
  );
  const exitCode = await waitForExitCode(engine, id, stopping);
  const reason = findExecError(head, exitCode);
  if (reason !== undefined) throw new WorkFailed(`cannot run the command in the container: ${reason}`);
  return { exit: { exitCode }, outputLost };
}

const pollMs = 50;
/** How long a command may be neither running nor have an exit code. An engine may have crashed between the two. */
const exitCodeMs = 10_000;

/**
 * Polls the exit code: the engine ends the stream first and may store the exit code a moment later. If the engine is
 * lost, waits until the engine answers again. An engine that was restarted may no longer know the command.
 */
async function waitForExitCode({ docker }: Connection, id: string, stopping: AbortSignal): Promise<number> {
  let endedAt: number | undefined;
  for (;;) {
    try {
      const { Running, ExitCode } = await docker.getExec(id).inspect();
      if (!Running && ExitCode !== null) return ExitCode;
      endedAt = Running ? undefined : (endedAt ?? performance.now());
    } catch (error) {
      if (httpStatus(error) === 404)
        throw new WorkLost('the engine no longer knows a command that was running in the container', { cause: error });
      if (!isUnreachable(error) || stopping.aborted)
        throw new WorkLost(`the Docker engine does not report how the command ended: ${engineMessage(error)}`, {
          cause: error,
        });
    }
    if (endedAt !== undefined && performance.now() - endedAt > exitCodeMs)
      throw new WorkLost('the Docker engine does not report the exit code of a command that has ended');
    await delay(pollMs);
  }
}

/**
 * Returns why the command could not be started; undefined if the command was started. The engine accepts a command
 * before looking for the program, and prints an error as if the command had printed it. Only the exit codes 126 and 127
 * can mean that, but a command may also exit with them.
 */
function findExecError({ bytes }: OutputHead, exitCode: number): string | undefined {
  if (exitCode !== 126 && exitCode !== 127) return undefined;
  const message = /^OCI runtime exec failed: (?:exec failed: )?(.*)\r\n$/.exec(bytes.toString())?.[1];
  return message === undefined ? undefined : engineMessage(new Error(message));
}
