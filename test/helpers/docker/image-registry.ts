// Starts a small image registry in the network of the test engine. The name of an image selects how the registry sends
// its layer.

import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/**
 * How the registry sends the layer. `whole`: complete. `broken`: corrupt. `stalled`: the second half in single bytes.
 * `slow`: in many pieces.
 */
export type LayerBehavior = 'whole' | 'broken' | 'stalled' | 'slow';

/** Messages from the registry process. */
export type RegistryMessage =
  | { readonly port: number }
  | { readonly stalled: true }
  | { readonly dropped: true }
  | { readonly layer: string };

export interface RegistryOptions {
  /** `user:password`, which every request must contain. */
  readonly login?: string;
}

export interface ImageRegistry {
  /** Returns an image name. Each call returns a new image that contains busybox. */
  imageName(fate: LayerBehavior): string;
  /** Returns the number of requests for the layer of this image. */
  requestCount(image: string): number;
  /** Resolves when half of a stalled layer is sent. */
  waitForStall(): Promise<void>;
  /** Resolves when the engine has closed the connection of a stalled layer. */
  waitForDrop(): Promise<void>;
  close(): Promise<void>;
}

const program = fileURLToPath(new URL('./image-registry-program.ts', import.meta.url));
let images = 0;

/** Starts a registry. `network` is a path for `nsenter --net=`; undefined means the current network. */
export async function startImageRegistry(
  network: string | undefined,
  { login = '' }: RegistryOptions = {},
): Promise<ImageRegistry> {
  const env = { ...process.env, REGISTRY_LOGIN: login };
  const child = network === undefined ? fork(program, { execArgv, env }) : spawnInNetwork(network, env);
  const layers: string[] = [];
  const received: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    child.on('message', (word: RegistryMessage) => {
      if ('port' in word) resolve(word.port);
      else if ('layer' in word) layers.push(word.layer);
      else received.push(...Object.keys(word));
    });
    child.once('exit', (code) => reject(new Error(`the registry ended with exit code ${code}`)));
  });
  return {
    imageName: (fate) => `127.0.0.1:${port}/${fate}/image-${(images += 1)}:latest`,
    requestCount: (image) => layers.filter((name) => image === `127.0.0.1:${port}/${name}:latest`).length,
    waitForStall: () => waitForMessage(child, received, 'stalled'),
    waitForDrop: () => waitForMessage(child, received, 'dropped'),
    close: () => stopProcess(child),
  };
}

const execArgv = ['--import=tsx'];

function spawnInNetwork(network: string, env: NodeJS.ProcessEnv): ChildProcess {
  const args = [`--net=${network}`, process.execPath, ...execArgv, program];
  return spawn('nsenter', args, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

async function waitForMessage(child: ChildProcess, words: string[], word: string): Promise<void> {
  while (!words.includes(word)) await once(child, 'message');
  words.splice(words.indexOf(word), 1);
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}

/** Reads the machine's static busybox, from which the images are built. */
export async function readBusybox(): Promise<Buffer> {
  return readFile('/bin/busybox');
}
