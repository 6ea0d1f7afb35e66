// What runs while the gateway is killed: calls that number their lines, so that one that is missing, doubled or torn is seen.

export const kinds = ['quick', 'family', 'screen', 'waiting', 'box', 'deaf'] as const;
export type Kind = (typeof kinds)[number];

const many = 20_000;
const boxed = 150;

/** Streams by the letter their lines begin with, and how many lines each has when the run comes to its end. */
export function linesOf(kind: Kind): readonly (readonly [string, number])[] {
  switch (kind) {
    case 'quick': return [['o', many], ['e', many]];
    case 'box': return [['o', boxed], ['e', boxed]];
    case 'waiting': return [['o', 20]];
    case 'family': case 'screen': case 'deaf': return [['o', Infinity]];
    default: return kind satisfies never;
  }
}

/** Numbered lines on one stream, for ever. */
const endless = 'i=0; while :; do i=$((i+1)); echo o$i; sleep 0.01; done';

export function crashYaml(engine: string): string {
  const free = 'onDisconnect: { default: detach }';
  return `
http: { api: true, listen: "127.0.0.1:0" }
data: data
docker: { host: ${JSON.stringify(engine)} }
shutdown: { grace: 0s }
limits: { graceMs: 200ms }
calls:
  quick: { process: [bash, -c, 'seq -f o%g 1 ${many} & seq -f e%g 1 ${many} >&2; wait'], ${free} }
  family: { process: [bash, -c, 'setsid sh -c "trap \\"\\" TERM; while :; do sleep 1; done" & ${endless}'], timeout: 3s, ${free} }
  screen: { terminal: [sh, -c, 'stty -onlcr; ${endless}'], timeout: 3s, ${free} }
  waiting: { process: [sh, -c, 'seq -f o%g 1 20; sleep 0.2'], concurrency: { limit: 1, queue: 1000 }, ${free} }
  deaf: { process: [sh, -c, 'trap "" TERM; ${endless}'], timeout: 3s, ${free} }
  box:
    container:
      image: busybox:latest
      network: none
      command: [sh, -c, 'i=0; while [ $i -lt ${boxed} ]; do i=$((i+1)); echo o$i; echo e$i >&2; usleep 5000; done']
    ${free}
`;
}
