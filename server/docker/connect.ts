// Finding an engine and speaking to it: one address in, one connection out, or why not.

import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { inspect } from 'node:util';
import Docker from 'dockerode';

/** A request that dockerode has no method for, or sends in a way that loses data. */
export interface DialOptions {
  readonly path: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly statusCodes: Readonly<Record<number, true | string>>;
  readonly isStream?: boolean;
  readonly hijack?: boolean;
  readonly file?: Buffer | Readable;
  readonly headers?: Record<string, string>;
  readonly abortSignal?: AbortSignal;
}

export interface Connection {
  /** `unix://…` or `tcp://…` */
  readonly host: string;
  readonly docker: Docker;
  /** Podman speaks the same interface, with a few things missing. */
  readonly podman: boolean;
  dial(options: DialOptions): Promise<unknown>;
  /** Drops every request under way. */
  close(): void;
}

export interface Unreachable {
  /** In plain words, with the address. */
  readonly why: string;
}

const answerMs = 3_000;

/** Asks the engine at `host` who it is. Never throws. */
export async function connect(host: string): Promise<Connection | Unreachable> {
  const target = targetOf(host);
  if (typeof target['why'] === 'string') return { why: target['why'] };
  const agent = quietAgent();
  try {
    // Set, though undefined: what is left out, dockerode takes from the environment.
    const nothing = { socketPath: undefined, host: undefined, port: undefined, protocol: 'http' };
    const docker = new Docker({ ...nothing, ...target, ...('ca' in target ? {} : { agent }) } as Docker.DockerOptions);
    const about = (await within(answerMs, docker.version())) as { Components?: { Name: string }[] };
    const podman = about.Components?.some(({ Name }) => Name.startsWith('Podman')) ?? false;
    return { host, docker, podman, dial: (options) => dial(docker, options), close: () => agent.destroy() };
  } catch (error) {
    agent.destroy();
    return { why: whyNot(host, error) };
  }
}

/**
 * Every request is described for a debug log that nobody reads, with all that hangs on its agent: every other request under way, down to its
 * buffers. With a few dozen of them that takes the gateway longer than anything else it does.
 */
function quietAgent(): Agent {
  return Object.assign(new Agent({ keepAlive: false }), { [inspect.custom]: () => 'Agent' });
}

/** Addresses to be tried in turn when the configuration says `auto`. */
export function usualHosts(env: NodeJS.ProcessEnv, more: readonly string[]): string[] {
  const own = env['XDG_RUNTIME_DIR'];
  const ofUser = own === undefined ? [] : [`unix://${own}/docker.sock`, `unix://${own}/podman/podman.sock`];
  const named = env['DOCKER_HOST'];
  return [
    ...(named === undefined || named === '' ? [] : [named]),
    'unix:///var/run/docker.sock', ...ofUser, 'unix:///run/podman/podman.sock', ...more,
  ];
}

/** The first of `hosts` that answers, or why none did. */
export async function connectFirst(hosts: readonly string[]): Promise<Connection | Unreachable> {
  const reasons: string[] = [];
  for (const host of hosts) {
    const reached = await connect(host);
    if (!('why' in reached)) return reached;
    reasons.push(reached.why);
  }
  return { why: reasons.join('; ') };
}

function targetOf(host: string): Record<string, unknown> {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  if (!URL.canParse(host) || !host.startsWith('tcp://')) {
    return { why: `"${host}" is no address of a Docker engine; write unix:///path or tcp://host:port` };
  }
  const { hostname, port } = new URL(host);
  return { host: hostname, port: port === '' ? 2375 : Number(port), ...tls(process.env) };
}

/** As the docker client does: certificates from DOCKER_CERT_PATH, when DOCKER_TLS_VERIFY asks for them. */
function tls(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const folder = env['DOCKER_CERT_PATH'];
  if (env['DOCKER_TLS_VERIFY'] !== '1' || folder === undefined) return {};
  const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFileSync(join(folder, name)));
  return { protocol: 'https', ca, cert, key };
}

async function dial(docker: Docker, options: DialOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    docker.modem.dial(options, (error: unknown, result: unknown) => {
      if (error === null || error === undefined) resolve(result);
      else reject(error as Error);
    });
  });
}

async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

const plainWords: Readonly<Record<string, string>> = {
  ENOENT: 'nothing is there',
  ECONNREFUSED: 'nobody listens there',
  EACCES: 'the gateway may not open it (add its user to the group docker)',
  EPERM: 'the gateway may not open it (add its user to the group docker)',
  ENOTFOUND: 'there is no such host',
  ETIMEDOUT: `no answer within ${answerMs / 1000} s`,
};

function whyNot(host: string, error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return `${host}: ${plainWords[code ?? ''] ?? code ?? message ?? 'no answer'}`;
}
