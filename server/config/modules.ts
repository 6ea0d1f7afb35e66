// TypeScript modules named in the configuration: each hands over one call or a list of them.

import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Call } from '../../calls/contract/call.ts';
import type { DefinedCall } from '../../calls/contract/define.ts';
import { quote } from '../../calls/contract/quote.ts';
import type { Finding } from './explain.ts';
import { pinDoorCall } from './pin-door.ts';
import { isMapping, items, mapping } from './shape.ts';

/** For a module to have run its top level. */
const moduleMs = 10_000;
/** Of each line that a failing module has to say. */
const reasonCharsMax = 500;

export interface Modules {
  readonly calls: readonly Call[];
  readonly findings: readonly Finding[];
}

interface Loaded {
  readonly calls: readonly DefinedCall[];
  readonly findings: readonly Finding[];
}

/** Imports every module of `root.modules`, relative to `base`. `graceMs` is for calls that do not declare their own. */
export async function loadModules(root: Readonly<Record<string, unknown>>, base: string, graceMs: number): Promise<Modules> {
  const names = new Map(Object.keys(mapping(root['calls'])).map((name) => [name, 'calls']));
  if (isMapping(mapping(root['doors'])['pin'])) names.set(pinDoorCall, 'doors.pin');
  const calls: Call[] = [];
  const findings: Finding[] = [];
  for (const [at, file] of items(root['modules']).entries()) {
    const loaded = typeof file === 'string' ? await loadModule(resolve(base, file), at) : { calls: [], findings: [] };
    findings.push(...loaded.findings, ...claimNames(loaded.calls, { names, file: String(file), at }));
    calls.push(...loaded.calls.map((call) => withGrace(call, graceMs)));
  }
  return { calls, findings };
}

function withGrace({ ownGrace, ...call }: DefinedCall, graceMs: number): Call {
  return ownGrace ? call : { ...call, stop: { ...call.stop, graceMs } };
}

interface Claim {
  readonly names: Map<string, string>;
  readonly file: string;
  readonly at: number;
}

function claimNames(calls: readonly Call[], { names, file, at }: Claim): readonly Finding[] {
  return calls.flatMap(({ name }) => {
    const taken = names.get(name);
    names.set(name, taken ?? file);
    return taken === undefined ? [] : [{ spot: { path: ['modules', at] }, message: `the call "${name}" is declared twice, also in ${taken}` }];
  });
}

async function loadModule(path: string, at: number): Promise<Loaded> {
  const problem = (message: string): Loaded => ({ calls: [], findings: [{ spot: { path: ['modules', at] }, message }] });
  try {
    const exported = await inTime(import(await addressOf(path)));
    const calls = [exported['calls'], exported['default']].filter((some) => some !== undefined).flat();
    if (calls.length === 0) return problem('exports no call; export one as default, or a list named "calls"');
    if (!calls.every(isCall)) return problem('exports something that is no call; make calls with defineCall');
    return { calls, findings: [] };
  } catch (error) {
    return problem(`cannot be loaded: ${firstLines(error)}`);
  }
}

/** A module that has changed has another address, as the one before stays in memory under its own. */
async function addressOf(path: string): Promise<string> {
  const { mtimeMs } = await stat(path).catch(() => { throw new Error('there is no such file'); });
  // Where no package.json says "module", the file is compiled to CommonJS, which keeps it by its path alone.
  const { cache } = createRequire(path);
  for (const key of Object.keys(cache)) if (key.split('?')[0] === path) delete cache[key];
  return `${pathToFileURL(path).href}?changed=${Math.round(mtimeMs)}`;
}

async function inTime(loading: Promise<unknown>): Promise<Readonly<Record<string, unknown>>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it was not ready within ${moduleMs / 1_000} seconds`)), moduleMs);
  });
  try {
    return (await Promise.race([loading, late])) as Readonly<Record<string, unknown>>;
  } finally {
    clearTimeout(timer);
  }
}

function isCall(value: unknown): value is DefinedCall {
  return isMapping(value) && value['kind'] === 'code' && typeof value['name'] === 'string' && typeof value['body'] === 'function';
}

/** Compilers put the place on the second line. */
function firstLines(error: unknown): string {
  const message = error instanceof Error ? error.message : quote(error);
  return message.split('\n').slice(0, 2).map((line) => line.trim()).filter((line) => line !== '').map((line) => line.slice(0, reasonCharsMax)).join(' ');
}
