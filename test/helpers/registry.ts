// A little image registry in the network of the test engine, which can be told by the image's name how to go wrong.

import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** What becomes of the layer: `whole` comes; `broken` is not what was promised; `stalled` all but stops half way; `slow` comes in many pieces. */
export type LayerFate = 'whole' | 'broken' | 'stalled' | 'slow';

/** What the registry tells of itself. */
export type RegistryWord = { readonly port: number } | { readonly stalled: true } | { readonly dropped: true } | { readonly layer: string };

export interface RegistryOptions {
  /** `user:password`, without which nothing is to be had. */
  readonly login?: string;
}

export interface Registry {
  /** The name to pull an image by; each call names another image, with the same busybox in it. */
  image(fate: LayerFate): string;
  /** How often the layer of this image was asked for. */
  asked(image: string): number;
  /** Resolves when half of a layer is sent and hardly more will come. */
  stalled(): Promise<void>;
  /** Resolves when the engine has let go of a layer that stalled. */
  dropped(): Promise<void>;
  close(): Promise<void>;
}

const program = fileURLToPath(new URL('./registry-program.ts', import.meta.url));
let images = 0;

/** `network`: a path for `nsenter --net=`; undefined for the network we are in. */
export async function startRegistry(network: string | undefined, { login = '' }: RegistryOptions = {}): Promise<Registry> {
  const env = { ...process.env, REGISTRY_LOGIN: login };
  const child = network === undefined ? fork(program, { execArgv, env }) : enter(network, env);
  const layers: string[] = [];
  const words: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    child.on('message', (word: RegistryWord) => {
      if ('port' in word) resolve(word.port);
      else if ('layer' in word) layers.push(word.layer);
      else words.push(...Object.keys(word));
    });
    child.once('exit', (code) => reject(new Error(`the registry ended with ${code}`)));
  });
  return {
    image: (fate) => `127.0.0.1:${port}/${fate}/image-${(images += 1)}:latest`,
    asked: (image) => layers.filter((name) => image === `127.0.0.1:${port}/${name}:latest`).length,
    stalled: () => said(child, words, 'stalled'),
    dropped: () => said(child, words, 'dropped'),
    close: () => end(child),
  };
}

const execArgv = ['--import=tsx'];

function enter(network: string, env: NodeJS.ProcessEnv): ChildProcess {
  const args = [`--net=${network}`, process.execPath, ...execArgv, program];
  return spawn('nsenter', args, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

async function said(child: ChildProcess, words: string[], word: string): Promise<void> {
  while (!words.includes(word)) await once(child, 'message');
  words.splice(words.indexOf(word), 1);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}

/** The machine's static busybox: what the images are made of. */
export async function busybox(): Promise<Buffer> {
  return readFile('/bin/busybox');
}
