// The tables of the documents that come from code, as data: `npm run docs` writes them, and a test compares them.

import type { Command } from 'commander';
import { containerKeys } from '../calls/container.ts';
import type { JsonSchema } from '../calls/contract/call.ts';
import { commonKeys, paramKeys, stopKeys } from '../calls/declare/declaration.ts';
import { concurrencyKeys, disconnectKeys, outputKeys, retentionKeys } from '../calls/declare/policies.ts';
import { pipelineKeys } from '../calls/pipeline.ts';
import { processKind } from '../calls/process.ts';
import { terminalKind } from '../calls/terminal.ts';
import { formatDuration, formatSize } from '../calls/text/units.ts';
import { type SessionEnding, type SessionEndingName, sessionEndings } from '../protocol/close-codes.ts';
import { pow1, toSettledResult } from '../protocol/dialects/pow-1.ts';
import { errors } from '../protocol/errors.ts';
import { type Limit, type LimitUnit, limits } from '../protocol/limits.ts';
import { runStates } from '../protocol/run-record.ts';
import { runTable } from '../protocol/run-states.ts';
import { phases, sessionTable, type Transition } from '../protocol/session-table.ts';
import type { CliBackend } from '../server/cli/backend.ts';
import { buildProgram } from '../server/cli/program.ts';
import { pinErrors } from '../server/compat/pin/errors.ts';
import { canonicalRoutes as pinRoutes } from '../server/compat/pin/routes/table.ts';
import { restartKeys } from '../server/config/reload/restart-keys.ts';
import { githubKeys, pinKeys } from '../server/config/schema/pin.ts';
import { secretKeys } from '../server/config/schema/pipelines.ts';
import { topKeys } from '../server/config/schema/schema.ts';
import { routes } from '../server/http/routes/routes.ts';
import { termination } from '../server/process/termination.ts';

export interface DocTable {
  /** The document marks the place of the table with `<!-- generated: name -->`. */
  readonly name: string;
  /** Path of the document below docs/. */
  readonly document: string;
  readonly columns: readonly string[];
  /** Cells in Markdown. A cell that is undefined or missing is written by hand in the document and stays. */
  readonly rows: readonly (readonly (string | undefined)[])[];
  /** How many leading cells identify a row, so that its handwritten cells stay with it. Default 1. */
  readonly keyCells?: number;
}

export function docTables(): readonly DocTable[] {
  return [...protocolTables(), ...configTables(), ...callTables(), ...httpTables(), ...cliTables()];
}

const code = (text: string): string => (text === '' ? '' : `\`${text}\``);
const plainRow = (cells: readonly string[]): readonly string[] => cells.map((cell) => cell.replaceAll('|', '\\|'));

function protocolTables(): readonly DocTable[] {
  const endings = Object.entries<SessionEnding>(sessionEndings);
  return [
    {
      name: 'session endings',
      document: 'protocol.md',
      columns: ['ending', 'when', 'message', 'close code'],
      rows: endings.map(([name, row]) =>
        plainRow([code(name), row.summary, code(row.message ?? ''), String(row.closeCode)]),
      ),
    },
    {
      name: 'session',
      document: 'protocol.md',
      columns: ['phase', 'event', 'action', 'next', 'ending'],
      rows: phases.flatMap((phase) =>
        Object.entries<Transition>(sessionTable[phase]).map(([event, { action = '', next, ending = '' }]) => [
          phase,
          code(event),
          action,
          next,
          code(ending),
        ]),
      ),
    },
    {
      name: 'run states',
      document: 'protocol.md',
      columns: ['state', 'transition', 'next'],
      rows: runStates.flatMap((state) =>
        Object.entries(runTable[state]).map(([name, next]) => [state, code(name), next]),
      ),
    },
    {
      name: 'pow-1 reasons',
      document: 'pow.md',
      columns: ['ending', 'reason', 'close code'],
      rows: endings.map(([name]) => {
        const ending = name as SessionEndingName;
        return [code(name), powReason(ending), String(pow1.closeCode(ending))];
      }),
    },
    {
      name: 'termination',
      document: 'operations.md',
      columns: ['kind', 'step', 'signal', 'for'],
      rows: Object.entries(termination).flatMap(([kind, steps]) =>
        steps.map(({ signal, waitMs }, at) => [kind, String(at + 1), signals[signal], formatWait(kind, waitMs)]),
      ),
    },
  ];
}

function powReason(ending: SessionEndingName): string {
  const message = ending === 'scope' ? 'failed to check scope: …' : '…';
  const settled = toSettledResult({ success: false, status: 'failed', message, next: 1 }, ending);
  if (settled.status !== 'rejected') return '';
  return settled.reason.split('\n').map(code).join(' newline ');
}

const signals = { stop: "the call's stop signal", SIGHUP: 'SIGHUP, repeated', SIGKILL: 'SIGKILL' } as const;

function formatWait(kind: string, waitMs: 'grace' | number): string {
  if (waitMs === 'grace') return kind === 'terminal' ? 'the rest of the grace' : 'the grace';
  return waitMs >= 1000 ? `${waitMs / 1000} s` : `${waitMs} ms`;
}

function configTables(): readonly DocTable[] {
  const effect = (key: string): string => (key in restartKeys ? 'restart' : 'at once');
  const system = topKeys.systems.items as { readonly properties?: object };
  return [
    {
      name: 'limits',
      document: 'configuration.md',
      columns: ['limit', 'default', 'least', 'counts', 'takes effect', 'meaning'],
      rows: Object.entries<Limit>(limits).map(([name, limit]) => [
        code(name),
        formatLimit(limit.default, limit.unit),
        formatLimit(limit.min, limit.unit),
        limit.unit,
        effect(`limits.${name}`),
        limit.summary,
      ]),
    },
    {
      name: 'keys',
      document: 'configuration.md',
      columns: ['key', 'default', 'takes effect', 'meaning'],
      // For a key that a reload applies, "takes effect" is written by hand, because some of these cells say more than
      // "at once".
      rows: listKeyPaths(topKeys).map((key) => [code(key), undefined, key in restartKeys ? 'restart' : undefined]),
    },
    keyTable('configuration.md', 'secret', secretKeys),
    keyTable('configuration.md', 'pin', pinKeys),
    keyTable('configuration.md', 'github', githubKeys),
    keyTable('configuration.md', 'system', system.properties ?? {}),
  ];
}

/** Returns the keys of the file by path, such as `http.api`. Sections with a table of their own count as one key. */
function listKeyPaths(keys: Readonly<Record<string, JsonSchema>>): readonly string[] {
  return Object.entries(keys).flatMap(([key, schema]) => {
    const section = schema['properties'] as Readonly<Record<string, JsonSchema>> | undefined;
    if (section === undefined || ['limits', 'pin'].includes(key)) return [key];
    return listKeyPaths(section).map((path) => `${key}.${path}`);
  });
}

function callTables(): readonly DocTable[] {
  const tables = {
    common: commonKeys,
    param: paramKeys,
    process: processKind.keys,
    terminal: terminalKind.keys,
    container: containerKeys,
    pipeline: pipelineKeys,
    stop: stopKeys,
    disconnect: disconnectKeys,
    concurrency: concurrencyKeys,
    retention: retentionKeys,
    output: outputKeys,
  };
  return Object.entries<Readonly<Record<string, JsonSchema>>>(tables).map(([kind, keys]) =>
    keyTable('calls.md', kind, keys),
  );
}

/** Keys come from code; defaults and meanings are written by hand. */
function keyTable(document: string, kind: string, keys: object): DocTable {
  return {
    name: `${kind} keys`,
    document,
    columns: [`${kind} key`, 'default', 'meaning'],
    rows: Object.keys(keys).map((key) => [code(key)]),
  };
}

function formatLimit(amount: number, unit: LimitUnit): string {
  switch (unit) {
    case 'ms':
      return formatDuration(amount);
    case 'bytes':
      return formatSize(amount);
    default:
      return String(amount);
  }
}

function httpTables(): readonly DocTable[] {
  return [
    {
      name: 'errors',
      document: 'errors.md',
      columns: ['code', 'status', 'default message', 'when'],
      rows: Object.entries(errors).map(([name, { status, message }]) => [code(name), String(status), message]),
    },
    {
      name: 'routes',
      document: 'http.md',
      columns: ['path', 'what it returns', 'scope'],
      rows: routes.map(({ path, summary, scope = '' }) => [code(path), summary, code(scope)]),
    },
    {
      name: 'pin routes',
      document: 'pin.md',
      columns: ['method', 'path', 'response'],
      keyCells: 2,
      rows: pinRoutes.map(({ method, path }) => [method, code(path)]),
    },
    {
      name: 'pin errors',
      document: 'pin.md',
      columns: ['error', 'status', 'when'],
      rows: Object.entries(pinErrors).map(([name, status]) => [code(name), String(status)]),
    },
  ];
}

/** The options of each command. Their meanings are written by hand, in more detail than in `--help`. */
function cliTables(): readonly DocTable[] {
  const program = buildProgram(unusedBackend, process, () => {});
  return [program, ...program.commands].map((command) => ({
    name: `options of ${commandName(command)}`,
    document: 'cli.md',
    columns: ['option', 'meaning'],
    rows: command
      .createHelp()
      .visibleOptions(command)
      .map(({ flags }) => [code(flags)]),
  }));
}

function commandName(command: Command): string {
  return command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
}

const unused = (): Promise<never> => Promise.reject(new Error('the documents only list commands'));

const unusedBackend: CliBackend = {
  version: '0',
  loadConfig: unused,
  readListen: unused,
  readPipeline: unused,
  detectFileKind: unused,
  checkListen: () => ({ ok: false, message: '' }),
  startGateway: unused,
  startPrivateGateway: unused,
};
