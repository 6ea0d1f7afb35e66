// A container that an earlier gateway started: its output is gone on with at the byte that gateway had stored, and its end is seen as if nothing had happened.

import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { WorkLost, type Exit } from '../../calls/contract/engines.ts';
import type { Output, OutputStream, RunPorts } from '../../calls/contract/ports.ts';
import type { Connection } from './connect.ts';
import { Demux } from './demux.ts';
import { isUnreachable, statusOf } from './failure.ts';

/** Bytes of each stream that are in the log of the run already. */
export type SourceBytes = Readonly<Record<OutputStream, number>>;

export interface Adoption {
  readonly engine: Connection;
  readonly ports: RunPorts;
  readonly container: string;
  readonly stored: SourceBytes;
}

/** `adoptable`: it runs, or has run. `unborn`: it was never started. */
export type Found = 'adoptable' | 'unborn' | 'gone' | 'unanswered';

/** What has become of a container. Never throws. */
export async function lookFor(engine: Connection, container: string): Promise<Found> {
  try {
    const { State } = await engine.docker.getContainer(container).inspect();
    return State.Status === 'created' ? 'unborn' : 'adoptable';
  } catch (error) {
    return statusOf(error) === 404 ? 'gone' : 'unanswered';
  }
}

/** How it ended. Throws WorkLost when that cannot be known any more. */
export async function adoptContainer({ engine, ports, container: id, stored }: Adoption): Promise<Exit> {
  // Its input ended with the gateway that fed it.
  ports.input.discard();
  ports.events.emit('adopted', { container: id });
  const container = engine.docker.getContainer(id);
  const reading = new AbortController();
  try {
    const output = follow(engine, { id, ports, stored, signal: reading.signal });
    const exitCode = await endOf(container, ports);
    if (exitCode === undefined) return {};
    const complete = await Promise.race([output, quiet(output, ports)]);
    const { State } = await container.inspect().catch(() => ({ State: { OOMKilled: false } }));
    const exit = { exitCode, ...(State.OOMKilled && { oomKilled: true }) };
    ports.events.emit('container-exited', { container: id, ...exit });
    if (!complete && !ports.signal.aborted) ports.events.emit('output-lost');
    return exit;
  } finally {
    reading.abort();
    ports.output.end('stdout');
    ports.output.end('stderr');
  }
}

/** The exit code; undefined when the run is stopped and its releaser has taken the container away. */
async function endOf(container: Docker.Container, ports: RunPorts): Promise<number | undefined> {
  try {
    const { StatusCode } = (await container.wait({ condition: 'not-running' })) as { StatusCode: number };
    return StatusCode;
  } catch (error) {
    if (ports.signal.aborted) return undefined;
    if (isUnreachable(error)) throw new WorkLost('the Docker engine went away while the container was running', { cause: error });
    throw new WorkLost('the container was removed by somebody else before its exit code was seen', { cause: error });
  }
}

interface Following {
  readonly id: string;
  readonly ports: RunPorts;
  readonly stored: SourceBytes;
  readonly signal: AbortSignal;
}

/** Passes on what is not stored yet, to the end. False when not all of it was to be had. Never rejects. */
async function follow(engine: Connection, { id, ports, stored, signal }: Following): Promise<boolean> {
  try {
    const answer = (await engine.dial({
      path: `/containers/${id}/logs?follow=1&stdout=1&stderr=1&`, method: 'GET', isStream: true, abortSignal: signal,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error', 501: 'its output was not kept' },
    })) as IncomingMessage;
    const rest = { ...stored };
    const demux = new Demux();
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      for (const { stream, bytes } of demux.pieces(chunk)) passOn(ports.output, { stream, bytes, rest });
      if (ports.output.full) await ports.output.drained();
    }
    // Less than was stored: the engine has let go of the beginning, and what came behind it was taken for it.
    return rest.stdout === 0 && rest.stderr === 0;
  } catch {
    return false;
  }
}

interface Passing {
  readonly stream: OutputStream;
  readonly bytes: Buffer;
  /** How many bytes of each stream are still to be skipped. */
  readonly rest: Record<OutputStream, number>;
}

function passOn(output: Output, { stream, bytes, rest }: Passing): void {
  const skipped = Math.min(rest[stream], bytes.length);
  rest[stream] -= skipped;
  if (skipped < bytes.length) output.write(stream, bytes.subarray(skipped));
}

const quietMs = 5_000;

/** The engine ends the stream when the container has ended; should it forget to, it is not waited for for ever. */
async function quiet(output: Promise<unknown>, ports: RunPorts): Promise<boolean> {
  let over = false;
  void output.then(() => { over = true; });
  do await pause(quietMs, undefined, { ref: false }); while (!over && ports.output.full);
  return false;
}
