// The pin API on a real server with real runs. Test functions take the place of pipelines that would run containers.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Archive } from '../../../calls/contract/containers.ts';
import type { Context } from '../../../calls/contract/context.ts';
import type { PipelineResult, PipelineSpec } from '../../../calls/contract/engines.ts';
import { defaultLimits, type Limits } from '../../../protocol/limits.ts';
import type { Json } from '../../../protocol/run-record.ts';
import { allows } from '../../../server/auth/scopes.ts';
import { pinCall } from '../../../server/compat/pin/call.ts';
import type { PinError, PinOptions, PlannedSubmission } from '../../../server/compat/pin/deps.ts';
import type { PinEvent } from '../../../server/compat/pin/events/event.ts';
import { createPinFeature, type PinFeature } from '../../../server/compat/pin/feature.ts';
import type { PinRecord } from '../../../server/compat/pin/runs/record.ts';
import { HttpServer } from '../../../server/http-server.ts';
import type { PipelineEvent } from '../../../server/pipeline/run/events/events.ts';
import { openStream, type Reader } from '../http/sse-reader.ts';
import { withTempFolder } from '../runs/test-log.ts';
import { openTestRuns, type TestRuns } from '../runs/test-runs.ts';
import { waitUntil } from '../wait-until.ts';

/** Takes the place of each pipeline whose text has the line `# play: name`, with the name of this script. */
export type PipelineScript = (scriptedPipeline: ScriptContext, spec: PipelineSpec) => Promise<PipelineResult>;

export interface ScriptContext extends Pick<Context, 'signal' | 'input' | 'run'> {
  emit(event: WithoutTime): void;
  /** Prints whole lines of a job. */
  print(job: string, text: string, stream?: 'stdout' | 'stderr'): void;
  /** Prints whole lines of a service. */
  printService(job: string, service: string, text: string): void;
  /** Runs one job that starts, prints and ends. */
  job(name: string, text?: string): void;
  plan(...names: readonly string[]): void;
  stopped(): Promise<void>;
}

type WithoutTime<E = PipelineEvent> = E extends { readonly time: string } ? Omit<E, 'time'> : never;

export interface PinFixtureOptions {
  readonly options?: Partial<PinOptions>;
  readonly limits?: Partial<Limits>;
  readonly scripts?: Readonly<Record<string, PipelineScript>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly artifacts?: (run: string) => Archive | undefined;
  /** Replaces the check of a text. Default: reads diagnostics from comments in the text. */
  readonly plan?: (text: string) => PlannedSubmission;
}

/** The pin API with its listener. */
export interface PinTestServer {
  readonly url: string;
  drain(): void;
  close(): Promise<void>;
}

export interface PinFixture {
  readonly server: PinTestServer;
  readonly testRuns: TestRuns;
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  request(path: string, init?: RequestInit): Promise<HttpResult>;
  trigger(runScript: string, path?: string): Promise<string>;
  record(id: string): Promise<PinRecord>;
  /** Resolves with the record of the run once it has ended. */
  ended(id: string): Promise<PinRecord>;
  listen(path?: string, headers?: Readonly<Record<string, string>>): Promise<PinReader>;
}

export interface HttpResult {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

export interface PinReader extends Reader {
  readonly events: readonly (PinEvent & { readonly id: string })[];
  /** Returns the first event of this type, if there is one. */
  event(type: string): Promise<PinEvent & { readonly id: string }>;
}

export const defaultOptions: PinOptions = {
  listen: { host: '127.0.0.1', port: 0 },
  allowUnauthenticated: false,
  allowOrigins: [],
  allowHostJobs: false,
  maxConcurrent: 1,
  events: 'unnamed',
  eventsBytes: 64 << 20,
};

export async function withPin(
  work: (fixture: PinFixture) => Promise<void>,
  options: PinFixtureOptions = {},
): Promise<void> {
  await withTempFolder(async (folder) => {
    const fixture = await openPin(folder, options);
    try {
      await work(fixture);
    } finally {
      await closePin(fixture);
    }
  });
}

/** Opens a server, possibly on the folder of an earlier one. */
export async function openPin(
  folder: string,
  {
    options: changed,
    limits: bounds,
    scripts = {},
    secrets = {},
    artifacts,
    plan = planScripted,
  }: PinFixtureOptions = {},
): Promise<PinFixture> {
  const { listen = defaultOptions.listen, ...others } = { ...defaultOptions, ...changed };
  const options = { ...others, ...(others.prefix === undefined && listen !== undefined && { listen }) };
  const limits = { ...defaultLimits, ...bounds };
  const call = pinCall(options, '127.0.0.1');
  const testRuns = openTestRuns(
    folder,
    [
      {
        ...call,
        stop: { signal: 'SIGTERM', graceMs: 100 },
        body: (context) =>
          call.body({
            ...context,
            engines: { ...context.engines, pipeline: (spec) => runScript(context, spec, scripts) },
          }),
      },
    ],
    { limits: bounds ?? {}, allows },
  );
  const log = {
    info() {},
    warn() {},
    error(facts: object, message: string) {
      failures.push(`${message} ${String((facts as { err?: Error }).err?.stack)}`);
    },
  };
  const failures: string[] = [];
  try {
    await testRuns.reconcile();
    await mkdir(join(folder, 'pin'), { recursive: true });
    const feature = createPinFeature({
      options,
      folder: join(folder, 'pin'),
      version: '1.2.3',
      gatewayHost: '127.0.0.1',
      limits: () => limits,
      isStopping: () => false,
      allowedSecrets: () => [],
      runs: testRuns.runs,
      plan,
      log,
      artifacts: async (run) => artifacts?.(run),
      secret: (source) =>
        secrets['variable' in source ? source.variable : source.file] ?? fail(`there is no ${JSON.stringify(source)}`),
    });
    return createFixture(await openServer(feature, limits), { testRuns, folder });
  } catch (error) {
    await testRuns.close();
    throw error;
  }
}

export async function closePin({ server, testRuns }: Pick<PinFixture, 'server' | 'testRuns'>): Promise<void> {
  server.drain();
  await testRuns.runs.stopAll('shutdown');
  await server.close();
  await testRuns.close();
}

async function openServer(feature: PinFeature, { requestMs }: Limits): Promise<PinTestServer> {
  const isPrefixed = feature.routes.listen === undefined;
  const server = new HttpServer([feature], {
    ...(isPrefixed && { listen: { host: '127.0.0.1', port: 0 } }),
    keepAliveMs: () => 65_000,
    requestMs,
  });
  try {
    await feature.open();
    await server.listeners.open?.();
  } catch (error) {
    await feature.close();
    throw error;
  }
  return {
    url: feature.url ?? server.url,
    drain: () => feature.drain(),
    async close() {
      await feature.close();
      await server.connections.close?.();
    },
  };
}

function createFixture(
  server: PinTestServer,
  { testRuns, folder }: { readonly testRuns: TestRuns; readonly folder: string },
): PinFixture {
  const { url } = server;
  const port = Number(new URL(url).port);
  const request = async (path: string, init?: RequestInit): Promise<HttpResult> => {
    const answer = await fetch(`${url}${path}`, init);
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      get json() {
        return JSON.parse(text) as Record<string, unknown>;
      },
    };
  };
  const record = async (id: string): Promise<PinRecord> => (await request(`/runs/${id}`)).json as unknown as PinRecord;
  return {
    server,
    testRuns,
    url,
    port,
    folder,
    request,
    record,
    async trigger(name, path = '/trigger') {
      const { status, json } = await request(path, { method: 'POST', body: scriptedPipeline(name) });
      if (status !== 200) fail(JSON.stringify(json));
      return json['run_id'] as string;
    },
    async ended(id) {
      await waitUntil('the run has ended', async () => (await record(id)).completed_at !== undefined);
      return record(id);
    },
    listen: async (path = '/events', headers = {}) => createPinReader(await openStream(port, path, { headers })),
  };
}

export function createPinReader(reader: Reader): PinReader {
  const events: PinReader['events'][number][] = [];
  /** Parses the messages that have arrived since the last call. */
  const readEvents = (): PinReader['events'] => {
    for (const { data, id } of reader.messages.slice(events.length))
      events.push({ ...(JSON.parse(data) as PinEvent), id });
    return events;
  };
  const more = {
    async event(type: string) {
      await waitUntil(`there is an event ${type}`, () => readEvents().some((one) => one.type === type));
      return events.find((one) => one.type === type)!;
    },
  };
  return Object.defineProperty(Object.assign(Object.create(reader) as Reader, more), 'events', {
    get: readEvents,
  }) as PinReader;
}

/** Returns the text of a scripted pipeline. */
export function scriptedPipeline(name: string): string {
  return `# play: ${name}\nworkflow: [build]\nbuild: { image: alpine, script: 'true' }\n`;
}

/** Replaces the check of the pipeline language. Reads diagnostics from comments such as `# error: {…}`. */
function planScripted(text: string): PlannedSubmission {
  const diagnostics = [...text.matchAll(/^# (error|warning): (.*)$/gm)].map(([, severity, json]) => ({
    code: 'MISSING_FIELD',
    message: 'wrong',
    line: 1,
    column: 1,
    suggestions: [],
    ...(JSON.parse(json!) as object),
    severity,
  }));
  return { diagnostics: diagnostics as unknown as readonly PinError[], plan: { jobs: [] } };
}

async function runScript(
  context: Context,
  spec: PipelineSpec,
  scripts: Readonly<Record<string, PipelineScript>>,
): Promise<PipelineResult> {
  const name = /^# play: (\S+)$/m.exec(spec.text)?.[1] ?? 'usual';
  return (scripts[name] ?? defaultScripts[name] ?? fail(`no script is named ${name}`))(
    createScriptContext(context),
    spec,
  );
}

function createScriptContext({ events, output, signal, input, run }: Context): ScriptContext {
  const emit = (event: WithoutTime): void => {
    const { type, ...facts } = event;
    events.emit(type, { ...facts, time: new Date().toISOString() } as Record<string, Json>);
  };
  const print = (job: string, text: string, stream: 'stdout' | 'stderr' = 'stdout'): void =>
    output.part(job).write(stream, Buffer.from(text));
  return {
    signal,
    input,
    run,
    emit,
    print,
    printService: (job, service, text) => output.part(job).part(service).write('stdout', Buffer.from(text)),
    plan: (...names) =>
      emit({
        type: 'pipeline-planned',
        jobs: names.map((id, stage) => ({ id, name: id.replace(/#\d+$/, ''), after: [], stage })),
        logsWithTime: false,
      }),
    job(name, text) {
      emit({ type: 'job-started', job: name, attempt: 1, attempts: 1 });
      emit({ type: 'job-step', job: name, step: 'image-available', image: 'alpine' });
      emit({ type: 'job-step', job: name, step: 'container-creating' });
      emit({ type: 'job-step', job: name, step: 'container-starting' });
      emit({ type: 'job-step', job: name, step: 'container-started', container: 'c0ffee', image: 'alpine' });
      emit({ type: 'job-step', job: name, step: 'shell-started' });
      if (text !== undefined) print(name, text);
      emit({ type: 'job-step', job: name, step: 'script-succeeded' });
      emit({ type: 'job-step', job: name, step: 'container-removing' });
      emit({ type: 'job-step', job: name, step: 'container-removed' });
      emit({
        type: 'job-ended',
        job: name,
        status: 'succeeded',
        exitCode: 0,
        attempts: 1,
        attemptsMax: 1,
        durationMs: 1200,
      });
    },
    stopped: () =>
      new Promise((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
}

const defaultScripts: Readonly<Record<string, PipelineScript>> = {
  async usual(it) {
    it.plan('build');
    it.job('build', 'hello\n');
    return { exitCode: 0 };
  },
  async fails(it) {
    it.plan('build', 'after');
    it.emit({ type: 'job-started', job: 'build', attempt: 1, attempts: 1 });
    it.emit({ type: 'job-step', job: 'build', step: 'script-failed', exitCode: 1 });
    it.emit({
      type: 'job-ended',
      job: 'build',
      status: 'failed',
      message: 'command execution failed (exit code 1)',
      exitCode: 1,
      attempts: 1,
      attemptsMax: 1,
      durationMs: 45_000,
    });
    it.emit({ type: 'job-skipped', job: 'after', reason: 'upstream_failed', failed: 'build' });
    return { exitCode: 1, failure: 'job "build" failed: command execution failed (exit code 1)' };
  },
  async waits(it) {
    it.plan('build');
    it.emit({ type: 'job-started', job: 'build', attempt: 1, attempts: 1 });
    await it.stopped();
    it.emit({ type: 'job-ended', job: 'build', status: 'cancelled', attempts: 1, attemptsMax: 1, durationMs: 100 });
    return {};
  },
};

/** Encodes a multipart form, as clients send it. */
export function createForm(parts: Readonly<Record<string, string | Uint8Array>>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(parts)) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([Buffer.from(value)]), `${name}.bin`);
  }
  return form;
}

export async function read(input: ScriptContext['input']): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of input) {
    pieces.push(piece);
    input.taken(piece.length);
  }
  return Buffer.concat(pieces);
}

export function createArchive(...pieces: readonly string[]): Archive {
  return Readable.from(pieces.map((piece) => Buffer.from(piece)));
}

function fail(message: string): never {
  throw new Error(message);
}
