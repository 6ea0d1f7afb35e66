// Adopts a container that was started by an earlier gateway process, or before its engine was restarted. Resumes its
// output at the last stored byte and waits for its exit.

import type { IncomingMessage } from 'node:http';
import type Docker from 'dockerode';
import { type Exit, WorkLost } from '../../calls/contract/engines.ts';
import type { Obligation, Output, OutputStream, RunPorts } from '../../calls/contract/ports.ts';
import { delay } from '../support/delay.ts';
import type { Connection } from './connect.ts';
import { Demux } from './demux.ts';
import { httpStatus, isUnreachable } from './engine-error.ts';
import { assertExitIsKnown, type ContainerState, waitForEngine } from './engine-return.ts';
import { wasOomKilled } from './memory/oom-kill.ts';
import type { SourceBytes } from './streams.ts';
import { removedByAnother } from './wait.ts';

export interface Adoption {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly obligation: Pick<Obligation, 'reportOutputCut' | 'released'>;
  readonly container: string;
  /** Number of bytes of each stream that the run's log already holds. */
  readonly stored: SourceBytes;
}

/**
 * State of a container for adoption. `adoptable`: the container runs or has run. `never-started`: the container was
 * created but not started. `gone`: the container does not exist. `unreachable`: the engine does not answer.
 */
export type AdoptionState = 'adoptable' | 'never-started' | 'gone' | 'unreachable';

/** Returns the state of a container. Never throws. */
export async function inspectForAdoption(engine: Connection, container: string): Promise<AdoptionState> {
  try {
    const { State } = await engine.docker.getContainer(container).inspect();
    return State.Status === 'created' ? 'never-started' : 'adoptable';
  } catch (error) {
    return httpStatus(error) === 404 ? 'gone' : 'unreachable';
  }
}

/**
 * Resolves when the container has exited, or with `{}` if the run is stopped before the exit code is known. If the
 * engine does not answer, waits until it does. Rejects with WorkLost when the exit code cannot be determined.
 */
export async function adoptContainer(adoption: Adoption): Promise<Exit> {
  const { engine, ports, obligation, container: id, stored } = adoption;
  // The container's stdin was closed when the connection to it ended, so no input can reach it.
  ports.input.discard();
  const container = engine.docker.getContainer(id);
  const followed: Followed = { engine, ports, obligation, container, stored: { ...stored } };
  try {
    for (;;) {
      const state = await waitForEngine({
        container,
        signal: ports.signal,
        onLost: () => ports.events.emit('engine-lost', { container: id }),
      });
      if (state === undefined) return {};
      assertStarted(state);
      ports.events.emit('adopted', { container: id });
      // The engine's log is text and loses bytes that are not UTF-8. Its positions therefore do not match positions in
      // the output. For an exact log, the rest of the output is not read and counts as lost.
      if (ports.output.exact === true) obligation.reportOutputCut({ reason: 'engine' });
      const exit = await followToExit(followed);
      if (exit !== 'lost') return exit;
    }
  } finally {
    ports.output.end('stdout');
    ports.output.end('stderr');
  }
}

function assertStarted(state: ContainerState | 'gone'): void {
  if (state === 'gone') throw new WorkLost(removedByAnother);
  if (state.Status === 'created') throw new WorkLost('the container was created, but its start was not confirmed');
}

interface Followed extends Pick<Adoption, 'engine' | 'ports' | 'obligation'> {
  readonly container: Docker.Container;
  /** Number of bytes of each stream that the run's log holds. */
  readonly stored: Record<OutputStream, number>;
}

/**
 * Forwards the output of a started container until the container has exited. Returns `lost` if the engine stops
 * answering.
 */
async function followToExit(followed: Followed): Promise<Exit | 'lost'> {
  const { container, ports, obligation } = followed;
  const stopReading = new AbortController();
  const released = obligation.released.then(() => undefined);
  try {
    const output = ports.output.exact === true ? Promise.resolve(true) : followLogs(followed, stopReading.signal);
    const exitCode = await Promise.race([waitForExitCode(container, ports, stopReading.signal), released]);
    if (exitCode === 'lost') {
      stopReading.abort();
      await output;
      return 'lost';
    }
    if (exitCode === undefined) return {};
    assertExitIsKnown(exitCode);
    const complete = await Promise.race([output, waitForQuiet(output, ports)]);
    const inspected = container.inspect().then(
      ({ State }) => State,
      (error: unknown) => (isUnreachable(error) ? 'lost' : undefined),
    );
    const state = await Promise.race([inspected, released]);
    // After `lost`, the caller reads the output again when the engine is back. The exit code does not change.
    if (state === 'lost' && !complete && !ports.signal.aborted) return 'lost';
    const oomKilled = await wasOomKilled(container.id, typeof state === 'object' ? state : undefined);
    const exit = { exitCode, ...(oomKilled && { oomKilled }) };
    ports.events.emit('container-exited', { container: container.id, ...exit });
    if (!complete && !ports.signal.aborted) obligation.reportOutputCut({ reason: 'engine' });
    return exit;
  } finally {
    stopReading.abort();
  }
}

/**
 * Resolves with the exit code; undefined if the request fails while the run is stopping; `lost` if the engine stops
 * answering.
 */
async function waitForExitCode(
  container: Docker.Container,
  ports: RunPorts,
  abortSignal: AbortSignal,
): Promise<number | 'lost' | undefined> {
  try {
    const { StatusCode } = (await container.wait({ condition: 'not-running', abortSignal })) as { StatusCode: number };
    return StatusCode;
  } catch (error) {
    if (ports.signal.aborted) return undefined;
    if (isUnreachable(error)) return 'lost';
    throw new WorkLost(removedByAnother, { cause: error });
  }
}

/**
 * Forwards the output that the log does not have yet, up to its end. Returns false if some of that output is
 * unavailable. Never rejects.
 */
async function followLogs(
  { engine, container: { id }, ports, stored }: Followed,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const response = (await engine.dial({
      path: `/containers/${id}/logs?follow=1&stdout=1&stderr=1&`,
      method: 'GET',
      isStream: true,
      abortSignal: signal,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error', 501: 'its output was not stored' },
    })) as IncomingMessage;
    const toSkip = { ...stored };
    const demux = new Demux();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      for (const { stream, bytes } of demux.decode(chunk))
        writeUnstored(ports.output, { stream, bytes, toSkip, stored });
      if (ports.output.full) await ports.output.drained();
    }
    // If bytes remain to be skipped, the engine returned less than was stored. The engine has discarded the beginning,
    // so this loop has skipped newer output that the log does not have.
    return toSkip.stdout === 0 && toSkip.stderr === 0;
  } catch {
    return false;
  }
}

interface StoredChunk {
  readonly stream: OutputStream;
  readonly bytes: Buffer;
  /** Number of bytes of each stream that are still to be skipped. */
  readonly toSkip: Record<OutputStream, number>;
  readonly stored: Record<OutputStream, number>;
}

function writeUnstored(output: Output, { stream, bytes, toSkip, stored }: StoredChunk): void {
  const skipped = Math.min(toSkip[stream], bytes.length);
  toSkip[stream] -= skipped;
  if (skipped === bytes.length) return;
  output.write(stream, bytes.subarray(skipped));
  stored[stream] += bytes.length - skipped;
}

const quietMs = 5_000;

/**
 * Resolves with false after `quietMs`, or later while the log applies back-pressure. Limits the wait for the end of the
 * output if the engine does not end the stream of an exited container.
 */
async function waitForQuiet(output: Promise<unknown>, ports: RunPorts): Promise<boolean> {
  let isComplete = false;
  void output.then(() => {
    isComplete = true;
  });
  do await delay(quietMs, { unref: true });
  while (!isComplete && ports.output.full);
  return false;
}
