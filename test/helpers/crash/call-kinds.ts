// Calls of the crash test. They number their lines, so that a test sees a missing, repeated or torn line.

export const crashCalls = ['quick', 'family', 'screen', 'waiting', 'box', 'deaf'] as const;
export type CrashCall = (typeof crashCalls)[number];

const quickLineCount = 20_000;
const containerLineCount = 150;

/** Returns the letter and the number of lines of each stream for a run that completes. */
export function expectedLineCounts(kind: CrashCall): readonly (readonly [string, number])[] {
  switch (kind) {
    case 'quick':
      return [
        ['o', quickLineCount],
        ['e', quickLineCount],
      ];
    case 'box':
      return [
        ['o', containerLineCount],
        ['e', containerLineCount],
      ];
    case 'waiting':
      return [['o', 20]];
    case 'family':
    case 'screen':
    case 'deaf':
      return [['o', Infinity]];
    default:
      return kind satisfies never;
  }
}

/** A script that prints numbered lines on stdout, forever. */
const endless = 'i=0; while :; do i=$((i+1)); echo o$i; sleep 0.01; done';

export function crashYaml(engine: string): string {
  const free = 'onDisconnect: { default: detach }';
  return `
http: { api: true, listen: "127.0.0.1:0", keepAlive: 1s }
data: data
docker: { host: ${JSON.stringify(engine)} }
shutdown: { grace: 0s }
limits: { graceMs: 200ms }
calls:
  quick: { process: [bash, -c, 'seq -f o%g 1 ${quickLineCount} & seq -f e%g 1 ${quickLineCount} >&2; wait'], ${free} }
  family:
    process: [bash, -c, 'setsid sh -c "trap \\"\\" TERM; while :; do sleep 1; done" & ${endless}']
    timeout: 3s
    ${free}
  screen: { terminal: [sh, -c, 'stty -onlcr; ${endless}'], timeout: 3s, ${free} }
  waiting: { process: [sh, -c, 'seq -f o%g 1 20; sleep 0.2'], concurrency: { limit: 1, queue: 1000 }, ${free} }
  deaf: { process: [sh, -c, 'trap "" TERM; ${endless}'], timeout: 3s, ${free} }
  box:
    container:
      image: busybox:latest
      network: none
      command:
        - sh
        - -c
        - i=0; while [ $i -lt ${containerLineCount} ]; do i=$((i+1)); echo o$i; echo e$i >&2; usleep 5000; done
    ${free}
`;
}
