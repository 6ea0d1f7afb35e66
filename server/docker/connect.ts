// Connects to a Docker engine at a given address, or explains why that fails.

import { readFileSync } from 'node:fs';
import { Agent, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import { withTimeout } from '../support/with-timeout.ts';

/** A request for which dockerode has no method, or whose method would lose data. */
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
  /** True for Podman, which implements the same API with a few gaps. */
  readonly podman: boolean;
  dial(options: DialOptions): Promise<unknown>;
  /** Aborts all pending requests. */
  close(): void;
}

export interface UnreachableEngine {
  /** Why the engine cannot be reached. Contains the address. */
  readonly why: string;
  /** True if the gateway lacks the permission to use a socket. */
  readonly isDenied?: boolean;
}

const connectTimeoutMs = 3_000;

/** Connects to the engine at `host`. Returns the reason if the engine does not answer. Never throws. */
export async function connect(host: string): Promise<Connection | UnreachableEngine> {
  const target = parseHost(host);
  if (typeof target['why'] === 'string') return { why: target['why'] };
  const agent = createAgent();
  try {
    // Set these options to undefined: dockerode reads absent options from the environment.
    const unset = { socketPath: undefined, host: undefined, port: undefined, protocol: 'http' };
    const docker = new Docker({ ...unset, ...target, ...('ca' in target ? {} : { agent }) } as Docker.DockerOptions);
    const answer = await withTimeout(connectTimeoutMs, ping(docker), () => undefined);
    if (answer === undefined) throw Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
    const podman = answer.headers['libpod-api-version'] !== undefined;
    return { host, docker, podman, dial: (options) => dial(docker, options), close: () => agent.destroy() };
  } catch (error) {
    agent.destroy();
    const { code = '' } = error as { code?: string };
    return { why: describeConnectError(host, error), isDenied: code === 'EACCES' || code === 'EPERM' };
  }
}

/** Sends the cheapest request. For a request for its version, Podman would first search the machine's packages. */
async function ping(docker: Docker): Promise<IncomingMessage> {
  const request = { path: '/_ping', method: 'GET', isStream: true, statusCodes: { 200: true } } as const;
  const response = (await dial(docker, request)) as IncomingMessage;
  return response.on('error', () => {}).resume();
}

/**
 * Creates an agent with a short description. The Docker client formats every request for a debug log, including its
 * agent and all other pending requests with their buffers. With a few dozen requests that would cost more CPU time than
 * the rest of the gateway.
 */
function createAgent(): Agent {
  return Object.assign(new Agent({ keepAlive: false }), { [inspect.custom]: () => 'Agent' });
}

/** Returns the addresses to try, in this order, when the configuration says `auto`. */
export function defaultHosts(env: NodeJS.ProcessEnv, candidates: readonly string[]): string[] {
  const runtimeFolder = env['XDG_RUNTIME_DIR'];
  const userSockets =
    runtimeFolder === undefined
      ? []
      : [`unix://${runtimeFolder}/docker.sock`, `unix://${runtimeFolder}/podman/podman.sock`];
  const configured = env['DOCKER_HOST'];
  return [
    ...(configured === undefined || configured === '' ? [] : [configured]),
    'unix:///var/run/docker.sock',
    ...userSockets,
    'unix:///run/podman/podman.sock',
    ...candidates,
  ];
}

/** Returns the first of `hosts` that answers, or the reasons why none did. */
export async function connectFirst(hosts: readonly string[]): Promise<Connection | UnreachableEngine> {
  const reasons: string[] = [];
  let isDenied = false;
  for (const host of hosts) {
    const connection = await connect(host);
    if (!('why' in connection)) return connection;
    reasons.push(connection.why);
    isDenied ||= connection.isDenied === true;
  }
  return { why: reasons.join('; '), isDenied };
}

/** Returns why no engine is available, without addresses: clients may read it. */
export function unavailableReason({ isDenied }: Pick<UnreachableEngine, 'isDenied'>): string {
  return isDenied === true
    ? "no Docker engine answers: the gateway has no right on its socket; add the gateway's user to the group docker"
    : 'no Docker engine answers: start one, or set docker.host in distillery.yaml';
}

function parseHost(host: string): Record<string, unknown> {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  if (!URL.canParse(host) || !host.startsWith('tcp://')) {
    return { why: `"${host}" is not the address of a Docker engine; write unix:///path or tcp://host:port` };
  }
  const { hostname, port } = new URL(host);
  return { host: hostname, port: port === '' ? 2375 : Number(port), ...tls(process.env) };
}

/** Reads certificates as the docker client does: from DOCKER_CERT_PATH if DOCKER_TLS_VERIFY is 1. */
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

const errorTexts: Readonly<Record<string, string>> = {
  ENOENT: 'no such socket',
  ECONNREFUSED: 'connection refused: nothing listens there',
  EACCES: "permission denied (add the gateway's user to the group docker)",
  EPERM: "permission denied (add the gateway's user to the group docker)",
  ENOTFOUND: 'unknown host',
  ETIMEDOUT: `no answer within ${connectTimeoutMs / 1000} s`,
};

function describeConnectError(host: string, error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return `${host}: ${errorTexts[code ?? ''] ?? code ?? message ?? 'no answer'}`;
}
