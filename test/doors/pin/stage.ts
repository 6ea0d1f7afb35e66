// The pin door on real runs and a real server, with pipelines that a test plays: what a pipeline tells is said by a function, not by containers.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Archive } from '../../../calls/contract/containers.ts';
import type { Context } from '../../../calls/contract/context.ts';
import type { PipelineEnding, PipelineSpec } from '../../../calls/contract/engines.ts';
import { defaultLimits, type Limits } from '../../../protocol/limits.ts';
import type { Json } from '../../../protocol/record.ts';
import { allows } from '../../../server/auth/scopes.ts';
import { pinCall } from '../../../server/doors/pin/call.ts';
import { PinDoor } from '../../../server/doors/pin/door.ts';
import type { PinEvent } from '../../../server/doors/pin/events/event.ts';
import type { PinError, PinOptions } from '../../../server/doors/pin/parts.ts';
import type { PinRecord } from '../../../server/doors/pin/runs/record.ts';
import type { PipelineEvent } from '../../../server/pipeline/run/events.ts';
import { until } from '../../helpers/until.ts';
import { openStream, type Reader } from '../../http/events/reader.ts';
import { inFolder } from '../../runs/kit.ts';
import { openHeart, type Heart } from '../../runs/heart.ts';

/** Plays a pipeline whose text has the line `# play: name`. */
export type Play = (played: Played, spec: PipelineSpec) => Promise<PipelineEnding>;

export interface Played extends Pick<Context, 'signal' | 'input' | 'run'> {
  tell(event: Timeless): void;
  /** Whole lines of a job. */
  print(job: string, text: string, stream?: 'stdout' | 'stderr'): void;
  /** One job that starts, prints and ends. */
  job(name: string, text?: string): void;
  plan(...names: readonly string[]): void;
  stopped(): Promise<void>;
}

type Timeless<E = PipelineEvent> = E extends { readonly time: string } ? Omit<E, 'time'> : never;

export interface StageOptions {
  readonly options?: Partial<PinOptions>;
  readonly limits?: Partial<Limits>;
  readonly plays?: Readonly<Record<string, Play>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly artifacts?: (run: string) => Archive | undefined;
}

export interface PinStage {
  readonly door: PinDoor;
  readonly heart: Heart;
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  ask(path: string, init?: RequestInit): Promise<Told>;
  trigger(play: string, path?: string): Promise<string>;
  record(id: string): Promise<PinRecord>;
  /** Resolves with the record of the run when it is over. */
  over(id: string): Promise<PinRecord>;
  listen(path?: string, headers?: Readonly<Record<string, string>>): Promise<PinReader>;
}

export interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

export interface PinReader extends Reader {
  readonly events: readonly (PinEvent & { readonly id: string })[];
  /** Of this type, when there is one. */
  event(type: string): Promise<PinEvent & { readonly id: string }>;
}

export const usual: PinOptions = {
  listen: { host: '127.0.0.1', port: 0 }, withoutToken: false, allowOrigins: [], allowHostJobs: false, maxConcurrent: 1, eventsBytes: 64 << 20,
};

export async function withPin(work: (stage: PinStage) => Promise<void>, options: StageOptions = {}): Promise<void> {
  await inFolder(async (folder) => {
    const stage = await openPin(folder, options);
    try {
      await work(stage);
    } finally {
      await closePin(stage);
    }
  });
}

/** In a folder where there may have been one before. */
export async function openPin(folder: string, { options: changed, limits: bounds, plays = {}, secrets = {}, artifacts }: StageOptions = {}): Promise<PinStage> {
  const options = { ...usual, ...changed };
  const limits = { ...defaultLimits, ...bounds };
  const call = pinCall(options, '127.0.0.1');
  const heart = openHeart(folder, [{
    ...call, stop: { signal: 'SIGTERM', graceMs: 100 },
    body: (context) => call.body({ ...context, engines: { ...context.engines, pipeline: (spec) => play(context, spec, plays) } }),
  }], { limits: bounds ?? {}, allows });
  const log = { info() {}, warn() {}, error(facts: object, message: string) { failures.push(`${message} ${String((facts as { err?: Error }).err?.stack)}`); } };
  const failures: string[] = [];
  try {
    await heart.reconcile();
    await mkdir(join(folder, 'pin'), { recursive: true });
    const door = await PinDoor.open({
      options, folder: join(folder, 'pin'), version: '1.2.3', gatewayHost: '127.0.0.1', limits: () => limits, runs: heart.runs, check: checkPlayed, log,
      artifacts: async (run) => artifacts?.(run),
      secret: (source) => secrets['variable' in source ? source.variable : source.file] ?? fail(`there is no ${JSON.stringify(source)}`),
    });
    return stageOf(door, { heart, folder });
  } catch (error) {
    await heart.close();
    throw error;
  }
}

export async function closePin({ door, heart }: Pick<PinStage, 'door' | 'heart'>): Promise<void> {
  door.admitNoMore();
  await heart.runs.stopAll('shutdown');
  await door.close();
  await heart.close();
}

function stageOf(door: PinDoor, { heart, folder }: { readonly heart: Heart; readonly folder: string }): PinStage {
  const url = door.url ?? '';
  const port = Number(new URL(url).port);
  const ask = async (path: string, init?: RequestInit): Promise<Told> => {
    const answer = await fetch(`${url}${path}`, init);
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, get json() { return JSON.parse(text) as Record<string, unknown>; } };
  };
  const record = async (id: string): Promise<PinRecord> => (await ask(`/runs/${id}`)).json as unknown as PinRecord;
  return {
    door, heart, url, port, folder, ask, record,
    async trigger(name, path = '/trigger') {
      const { status, json } = await ask(path, { method: 'POST', body: played(name) });
      if (status !== 200) fail(JSON.stringify(json));
      return json['run_id'] as string;
    },
    async over(id) {
      await until('the run is over', async () => (await record(id)).completed_at !== undefined);
      return record(id);
    },
    listen: async (path = '/events', headers = {}) => readerOf(await openStream(port, path, { headers })),
  };
}

export function readerOf(reader: Reader): PinReader {
  const eventsIn = (): PinReader['events'] => reader.messages.map(({ data, id }) => ({ ...(JSON.parse(data) as PinEvent), id }));
  const more = {
    async event(type: string) {
      await until(`there is an event ${type}`, () => eventsIn().some((one) => one.type === type));
      return eventsIn().find((one) => one.type === type)!;
    },
  };
  return Object.defineProperty(Object.assign(Object.create(reader) as Reader, more), 'events', { get: eventsIn }) as PinReader;
}

/** The text of a pipeline that is played. */
export function played(name: string): string {
  return `# play: ${name}\nworkflow: [build]\nbuild: { image: alpine, script: 'true' }\n`;
}

/** Stands in for the language: errors are written down in the text, as `# error: {…}`. */
function checkPlayed(text: string): readonly PinError[] {
  return [...text.matchAll(/^# (error|warning): (.*)$/gm)].map(([, severity, json]) => ({
    code: 'MISSING_FIELD', message: 'wrong', line: 1, column: 1, suggestions: [], ...(JSON.parse(json!) as Partial<PinError>), severity: severity as 'error' | 'warning',
  }));
}

async function play(context: Context, spec: PipelineSpec, plays: Readonly<Record<string, Play>>): Promise<PipelineEnding> {
  const name = /^# play: (\S+)$/m.exec(spec.text)?.[1] ?? 'usual';
  return (plays[name] ?? usualPlays[name] ?? fail(`nobody plays ${name}`))(playedOf(context), spec);
}

function playedOf({ events, output, signal, input, run }: Context): Played {
  const tell = (event: Timeless): void => {
    const { type, ...facts } = event;
    events.emit(type, { ...facts, time: new Date().toISOString() } as Record<string, Json>);
  };
  const print = (job: string, text: string, stream: 'stdout' | 'stderr' = 'stdout'): void => output.part(job).write(stream, Buffer.from(text));
  return {
    signal, input, run, tell, print,
    plan: (...names) => tell({ type: 'pipeline-planned', jobs: names.map((id, stage) => ({ id, name: id.replace(/#\d+$/, ''), after: [], stage })), logsWithTime: false }),
    job(name, text) {
      tell({ type: 'job-started', job: name, attempt: 1, attempts: 1 });
      tell({ type: 'job-step', job: name, step: 'image-available', image: 'alpine' });
      tell({ type: 'job-step', job: name, step: 'container-creating' });
      tell({ type: 'job-step', job: name, step: 'container-starting' });
      tell({ type: 'job-step', job: name, step: 'container-started', container: 'c0ffee', image: 'alpine' });
      tell({ type: 'job-step', job: name, step: 'shell-started' });
      if (text !== undefined) print(name, text);
      tell({ type: 'job-step', job: name, step: 'script-succeeded' });
      tell({ type: 'job-step', job: name, step: 'container-removing' });
      tell({ type: 'job-step', job: name, step: 'container-removed' });
      tell({ type: 'job-ended', job: name, status: 'succeeded', exitCode: 0, attempts: 1, attemptsMax: 1, durationMs: 1200 });
    },
    stopped: () => new Promise((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    }),
  };
}

const usualPlays: Readonly<Record<string, Play>> = {
  async usual(it) {
    it.plan('build');
    it.job('build', 'hello\n');
    return { exitCode: 0 };
  },
  async fails(it) {
    it.plan('build', 'after');
    it.tell({ type: 'job-started', job: 'build', attempt: 1, attempts: 1 });
    it.tell({ type: 'job-step', job: 'build', step: 'script-failed', exitCode: 1 });
    it.tell({ type: 'job-ended', job: 'build', status: 'failed', message: 'command execution failed (exit code 1)', exitCode: 1, attempts: 1, attemptsMax: 1, durationMs: 45_000 });
    it.tell({ type: 'job-skipped', job: 'after', reason: 'upstream_failed', failed: 'build' });
    return { exitCode: 1, failure: 'job "build" failed: command execution failed (exit code 1)' };
  },
  async waits(it) {
    it.plan('build');
    it.tell({ type: 'job-started', job: 'build', attempt: 1, attempts: 1 });
    await it.stopped();
    it.tell({ type: 'job-ended', job: 'build', status: 'cancelled', attempts: 1, attemptsMax: 1, durationMs: 100 });
    return {};
  },
};

/** A body that is a form, as clients send it. */
export function formOf(parts: Readonly<Record<string, string | Uint8Array>>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(parts)) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([Buffer.from(value)]), `${name}.bin`);
  }
  return form;
}

export async function read(input: Played['input']): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of input) {
    pieces.push(piece);
    input.taken(piece.length);
  }
  return Buffer.concat(pieces);
}

export function archiveOf(...pieces: readonly string[]): Archive {
  return Readable.from(pieces.map((piece) => Buffer.from(piece)));
}

function fail(why: string): never {
  throw new Error(why);
}
