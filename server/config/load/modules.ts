// Loads the modules named under `modules:`; each exports one call or a list of calls.

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Call } from '../../../calls/contract/call.ts';
import type { DefinedCall } from '../../../calls/declare/define-call.ts';
import * as moduleApi from '../../../calls/module-api.ts';
import type { KeyDiagnostic } from '../../../calls/text/diagnostic.ts';
import { quote } from '../../../calls/text/quote.ts';
import { createBundle, type Exports, importBundle } from '../../support/import-bundled.ts';
import { asList, asMapping, isMapping } from '../loose-access.ts';
import { pinCallName } from '../schema/pin.ts';

/** Time limit for compiling a module and running its top level. */
const moduleTimeoutMs = 10_000;
/** Maximum length of each line of an error message. */
const reasonCharsMax = 500;

export interface LoadedModules {
  readonly calls: readonly Call[];
  readonly diagnostics: readonly KeyDiagnostic[];
}

interface LoadedModule {
  readonly calls: readonly DefinedCall[];
  readonly diagnostics: readonly KeyDiagnostic[];
}

/** Imports every module of `root.modules`, relative to `base`. `graceMs` applies to calls that declare no grace. */
export async function loadModules(
  root: Readonly<Record<string, unknown>>,
  base: string,
  graceMs: number,
): Promise<LoadedModules> {
  const names = new Map(Object.keys(asMapping(root['calls'])).map((name) => [name, 'calls']));
  if (isMapping(asMapping(root['compat'])['pin'])) names.set(pinCallName, 'compat.pin');
  const calls: Call[] = [];
  const diagnostics: KeyDiagnostic[] = [];
  for (const [at, file] of asList(root['modules']).entries()) {
    const loaded =
      typeof file === 'string' ? await loadModule(resolve(base, file), at) : { calls: [], diagnostics: [] };
    diagnostics.push(...loaded.diagnostics, ...reportDuplicateNames(loaded.calls, { names, file: String(file), at }));
    calls.push(...loaded.calls.map((call) => applyDefaultGrace(call, graceMs)));
  }
  return { calls, diagnostics };
}

function applyDefaultGrace({ declaresGrace, ...call }: DefinedCall, graceMs: number): Call {
  return declaresGrace ? call : { ...call, stop: { ...call.stop, graceMs } };
}

interface DeclaredNames {
  readonly names: Map<string, string>;
  readonly file: string;
  readonly at: number;
}

function reportDuplicateNames(calls: readonly Call[], { names, file, at }: DeclaredNames): readonly KeyDiagnostic[] {
  return calls.flatMap(({ name }) => {
    const taken = names.get(name);
    names.set(name, taken ?? file);
    if (taken === undefined) return [];
    const message = `the call "${name}" is already declared in ${taken}`;
    return [{ path: ['modules', at], message, suggestions: ['choose another name'] }];
  });
}

async function loadModule(path: string, at: number): Promise<LoadedModule> {
  const failure = (message: string, ...suggestions: readonly string[]): LoadedModule => ({
    calls: [],
    diagnostics: [{ path: ['modules', at], message, suggestions }],
  });
  try {
    const calls = listCalls(await withTimeout(importModule(path)));
    if (calls.length === 0)
      return failure('the module exports no call', 'export one as default, or a list named "calls"');
    if (!calls.every(isCall))
      return failure('the module exports a value that is not a call', 'create calls with defineCall');
    return { calls, diagnostics: [] };
  } catch (error) {
    return failure(`the module cannot be loaded: ${summarizeError(error)}`);
  }
}

interface ImportedModule {
  readonly code: string;
  readonly exports: Promise<Exports>;
}

/**
 * Loaded modules by path. A module that is loaded again runs again only if its code, or that of a file it imports, has
 * changed.
 */
const imported = new Map<string, ImportedModule>();

async function importModule(path: string): Promise<Exports> {
  await stat(path).catch(() => {
    throw new Error('the file does not exist');
  });
  const esbuild = await import('esbuild');
  const code = await createBundle(path, { esbuild, provided: { 'distillery-gateway/calls': moduleApi } });
  const before = imported.get(path);
  if (before?.code === code) return before.exports;
  const exports = importBundle(code);
  imported.set(path, { code, exports });
  // A module that failed runs again with the next load, because its dependencies may exist by then.
  exports.catch(() => imported.delete(path));
  return exports;
}

/** Returns the exports that should be calls. A CommonJS module has all its exports below `default`. */
function listCalls(exports: Exports): readonly unknown[] {
  const main = exports['default'];
  const isCommonJs = isMapping(main) && ('calls' in main || 'default' in main);
  const { calls, default: defaultExport } = isCommonJs ? main : exports;
  return [calls, defaultExport].filter((exported) => exported !== undefined).flat();
}

async function withTimeout<T>(loading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`it took longer than ${moduleTimeoutMs / 1_000} seconds`)),
      moduleTimeoutMs,
    );
  });
  try {
    return await Promise.race([loading, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function isCall(value: unknown): value is DefinedCall {
  return (
    isMapping(value) &&
    value['kind'] === 'code' &&
    typeof value['name'] === 'string' &&
    typeof value['body'] === 'function'
  );
}

/** Returns the first two lines: esbuild writes the location of an error on the second one. */
function summarizeError(error: unknown): string {
  const message = error instanceof Error ? error.message : quote(error);
  return message
    .split('\n')
    .slice(0, 2)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => line.slice(0, reasonCharsMax))
    .join(' ');
}
