// What runs in the chaos: work of every kind, and the configuration that declares it.

import { fileURLToPath } from 'node:url';

export interface Kind {
  readonly name: string;
  /** How it ends when nobody stops it; absent: it does not. */
  readonly ends?: 'succeeded' | 'failed';
  /** It ends when its input does. */
  readonly reads?: true;
  readonly terminal?: true;
  /** Its declaration in distillery.yaml; absent: it is one of the module. */
  readonly declared?: string;
  /** How often, compared with the others. */
  readonly share: number;
}

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
const bash = (script: string): string => `process: [bash, -c, '${script}']`;
const terminal = (script: string): string => `terminal: [bash, -c, '${script}']`;
const container = (script: string): string => `container: { image: "busybox:latest", command: [sh, -c, '${script}'], network: none, pull: never }`;

export const kinds: readonly Kind[] = [
  { name: 'quiet', share: 3, declared: 'process: [sleep, "60"]' },
  { name: 'brief', share: 3, ends: 'succeeded', declared: bash('echo one; sleep 0.2; echo two >&2') },
  { name: 'failing', share: 2, ends: 'failed', declared: bash('echo no; exit 3') },
  { name: 'chatty', share: 4, declared: bash('seq 30000; while :; do seq 100; sleep 0.02; done') },
  { name: 'burst', share: 2, ends: 'succeeded', declared: 'process: [seq, "100000"]' },
  { name: 'deaf', share: 4, declared: bash('trap "" TERM; echo ready; while :; do sleep 0.1; done') },
  { name: 'generations', share: 4, declared: `process: [bash, ${JSON.stringify(fixture('generations.sh'))}, "3"]` },
  { name: 'copying', share: 3, ends: 'succeeded', reads: true, declared: 'process: [cat]' },
  { name: 'terminal-copying', share: 2, terminal: true, declared: terminal('sleep 60 & echo ready; exec cat') },
  { name: 'terminal-brief', share: 2, ends: 'succeeded', terminal: true, declared: terminal('stty size; seq 300') },
  { name: 'terminal-shell', share: 2, terminal: true, declared: 'terminal: [bash, --norc, -i]' },
  { name: 'container-quick', share: 3, ends: 'succeeded', declared: container('echo hello') },
  { name: 'container-asleep', share: 3, declared: container('exec sleep 60') },
  { name: 'container-deaf', share: 3, declared: container('trap "" TERM; echo ready; while :; do sleep 0.1; done') },
  { name: 'container-chatty', share: 2, declared: container('while :; do seq 200; sleep 0.02; done') },
  { name: 'container-reading', share: 2, ends: 'succeeded', reads: true, declared: container('wc -l') },
  { name: 'container-missing', share: 1, ends: 'failed', declared: 'container: { image: "distillery-no-such-image:latest", pull: never }' },
  { name: 'code-value', share: 2, ends: 'succeeded' },
  { name: 'code-two', share: 2 },
  { name: 'code-wait', share: 2 },
];

/** A gateway on `engine` that knows all kinds; every call has one param, by which its run is found again. */
export function chaosYaml(engine: string, graceMs: number): string {
  const calls = kinds.filter(({ declared }) => declared !== undefined).map(({ name, declared }) => `  ${name}:\n    params: [{ name: tag }]\n    ${declared}\n`);
  return [
    'http: { api: true, listen: "127.0.0.1:0" }', 'data: data', `docker: { host: "${engine}" }`, `limits: { graceMs: ${graceMs} }`,
    `modules: [${JSON.stringify(fixture('chaos-calls.ts'))}]`, 'calls:', calls.join(''),
  ].join('\n');
}
