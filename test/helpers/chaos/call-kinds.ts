// The calls of the chaos test: work of every kind, and the configuration that declares it.

import { fileURLToPath } from 'node:url';

export interface ChaosCall {
  readonly name: string;
  /** Outcome of a run that no client stops. Absent if the run would take too long for the test. */
  readonly endsAs?: 'succeeded' | 'failed';
  /** True if a run of the call ends when its input ends. */
  readonly readsInput?: true;
  readonly terminal?: true;
  /** Declaration in distillery.yaml. Absent if a module defines the call. */
  readonly declaration?: string;
  /** How often the test draws this call, relative to the other calls. */
  readonly weight: number;
}

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
const bash = (script: string): string => `process: [bash, -c, '${script}']`;
const terminal = (script: string): string => `terminal: [bash, -c, '${script}']`;
const container = (script: string): string =>
  `container: { image: "busybox:latest", command: [sh, -c, '${script}'], network: none, pull: never }`;

export const chaosCalls: readonly ChaosCall[] = [
  { name: 'quiet', weight: 3, declaration: 'process: [sleep, "60"]' },
  { name: 'brief', weight: 3, endsAs: 'succeeded', declaration: bash('echo one; sleep 0.2; echo two >&2') },
  { name: 'failing', weight: 2, endsAs: 'failed', declaration: bash('echo no; exit 3') },
  { name: 'chatty', weight: 4, declaration: bash('seq 30000; while :; do seq 100; sleep 0.02; done') },
  { name: 'burst', weight: 2, endsAs: 'succeeded', declaration: 'process: [seq, "100000"]' },
  { name: 'deaf', weight: 4, declaration: bash('trap "" TERM; echo ready; while :; do sleep 0.1; done') },
  { name: 'generations', weight: 4, declaration: `process: [bash, ${JSON.stringify(fixture('generations.sh'))}, "3"]` },
  { name: 'copying', weight: 3, endsAs: 'succeeded', readsInput: true, declaration: 'process: [cat]' },
  { name: 'terminal-copying', weight: 2, terminal: true, declaration: terminal('sleep 60 & echo ready; exec cat') },
  {
    name: 'terminal-brief',
    weight: 2,
    endsAs: 'succeeded',
    terminal: true,
    declaration: terminal('stty size; seq 300'),
  },
  { name: 'terminal-shell', weight: 2, terminal: true, declaration: 'terminal: [bash, --norc, -i]' },
  { name: 'container-quick', weight: 3, endsAs: 'succeeded', declaration: container('echo hello') },
  { name: 'container-asleep', weight: 3, declaration: container('exec sleep 60') },
  {
    name: 'container-deaf',
    weight: 3,
    declaration: container('trap "" TERM; echo ready; while :; do sleep 0.1; done'),
  },
  { name: 'container-chatty', weight: 2, declaration: container('while :; do seq 200; sleep 0.02; done') },
  { name: 'container-reading', weight: 2, endsAs: 'succeeded', readsInput: true, declaration: container('wc -l') },
  {
    name: 'container-missing',
    weight: 1,
    endsAs: 'failed',
    declaration: 'container: { image: "distillery-no-such-image:latest", pull: never }',
  },
  { name: 'code-value', weight: 2, endsAs: 'succeeded' },
  { name: 'code-two', weight: 2 },
  { name: 'code-wait', weight: 2 },
];

/** Returns a configuration with all calls, on `engine`. Every call has one parameter, which identifies its run. */
export function chaosYaml(engine: string, graceMs: number): string {
  return [
    'http: { api: true, listen: "127.0.0.1:0", keepAlive: 1s }',
    'data: data',
    chaosCallsYaml(engine, graceMs),
  ].join('\n');
}

/** Returns the configuration of `chaosYaml` without `http` and `data`. */
export function chaosCallsYaml(engine: string, graceMs: number): string {
  const calls = chaosCalls
    .filter(({ declaration }) => declaration !== undefined)
    .map(({ name, declaration }) => `  ${name}:\n    params: [{ name: tag }]\n    ${declaration}\n`);
  return [
    `docker: { host: "${engine}" }`,
    `limits: { graceMs: ${graceMs} }`,
    `modules: [${JSON.stringify(fixture('chaos-calls.ts'))}]`,
    'calls:',
    calls.join(''),
  ].join('\n');
}
