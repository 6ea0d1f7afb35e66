// Words that other systems use in place of the keys of this language, such as `if` for `condition`. The gateway would
// not do what the author of such a file means, so the word is an error. Other unknown keys cause warnings.

import { distance } from 'fastest-levenshtein';

export interface ForeignKeys {
  /** The key of this language, by the foreign word in lower case, without `-` and `_`. */
  readonly words: Readonly<Record<string, string>>;
  /** Keys that decide what runs, or what a job may do. A word that is nearly one of them is an error. */
  readonly strict: readonly string[];
  /** How to write a key of this language, for keys whose name alone does not show that. */
  readonly examples: Readonly<Record<string, string>>;
}

/** Maximum edit distance between a strict key and a misspelling of it. */
const strictDistanceMax = 2;

/**
 * Returns the key that a word probably stands for; undefined if the word is neither similar to a key nor in the table
 * of foreign words.
 */
export function meantKey(word: string, known: readonly string[], { words, strict }: ForeignKeys): string | undefined {
  const plain = plainWord(word);
  return (
    known.find((key) => plainWord(key) === plain) ??
    (Object.hasOwn(words, plain) ? words[plain] : undefined) ??
    strict.find((key) => distance(key.toLowerCase(), word.toLowerCase()) <= strictDistanceMax)
  );
}

function plainWord(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '');
}

/** Converts a table of the words of each key to a table of the key of each word. */
function invertTable(table: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(table).flatMap(([key, words]) => words.split(' ').map((word) => [word, key] as const)),
  );
}

export const noForeignKeys: ForeignKeys = { words: {}, strict: [], examples: {} };

export const jobForeignKeys: ForeignKeys = {
  words: invertTable({
    image: 'container uses runson from',
    script: 'run runs command commands cmd exec steps entrypoint beforescript afterscript',
    dockerfile: 'build',
    env: 'environment variables envs vars envvars envfile',
    workDir: 'workingdirectory workingdir directory cwd',
    port: 'ports expose',
    copyFiles: 'checkout',
    condition: 'if unless rules only except branches filters skip enabled disabled',
    when: 'onfailure onsuccess always',
    retry: 'retries maxretries attempts maxattempts',
    timeout: 'timeoutminutes timeoutinminutes timeoutseconds maxtime',
    needs: 'dependson depends dependencies requires after stage stages',
    allowFailure: 'continueonerror ignoreerrors ignorefailure softfail',
    matrix: 'strategy axes',
    secrets: 'secret',
    services: 'service sidecars',
    volumes: 'volume mount mounts',
    cache: 'caches',
    artifacts: 'artifact storeartifacts',
    network: 'networks networkmode',
    memory: 'mem memlimit resources',
    cpus: 'cpu',
    user: 'runas',
    pull: 'pullpolicy imagepullpolicy',
    '<<': 'extends',
  }),
  strict: ['condition', 'when', 'needs', 'timeout', 'secrets', 'allowFailure'],
  examples: {
    condition: 'condition: $BRANCH == "main"',
    when: 'when: failure',
    script: 'script: [make, make test]',
    needs: 'needs: [build]',
    timeout: 'timeout: 5m',
    allowFailure: 'allowFailure: true',
    matrix: 'matrix: { node: [20, 22] }',
    env: 'env: { KEY: value }',
    workDir: 'workDir: /code',
    '<<': '<<: *base',
  },
};

export const serviceForeignKeys: ForeignKeys = {
  words: invertTable({
    env: 'environment variables envs vars envfile',
    health: 'healthcheck healthcmd check',
    command: 'cmd args script',
    volumes: 'volume mount mounts',
    memory: 'mem memlimit resources',
    cpus: 'cpu',
    user: 'runas',
    pull: 'pullpolicy imagepullpolicy',
  }),
  strict: [],
  examples: { health: 'health: { command: pg_isready }', env: 'env: { KEY: value }', command: 'command: [program]' },
};

export const healthForeignKeys: ForeignKeys = {
  words: invertTable({ command: 'test cmd exec', start: 'startperiod startinterval' }),
  strict: [],
  examples: {},
};

export const retryForeignKeys: ForeignKeys = {
  words: invertTable({
    attempts: 'max maxattempts maxretries retries count limit times',
    delay: 'interval wait delayseconds retrydelay',
    backoff: 'factor multiplier',
  }),
  strict: [],
  examples: {},
};

export const topForeignKeys: ForeignKeys = {
  words: invertTable({
    workflow: 'stages order sequence workflows',
    defaults: 'default global globals',
    docker: 'dockerhost engine',
    jobs: 'jobs tasks steps pipeline pipelines',
    env: 'variables vars environment envs',
    script: 'beforescript afterscript',
  }),
  strict: ['workflow', 'failFast', 'defaults'],
  examples: { workflow: 'workflow: [build, test]' },
};
