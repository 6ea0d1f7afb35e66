// The table of all keys of a service.

import { truncate } from '../../../../calls/text/quote.ts';
import { argvKey } from './command.ts';
import { enumKey } from './enum.ts';
import { envKey } from './env.ts';
import { healthKey } from './health.ts';
import { registryKey } from './identifiers.ts';
import { numberKey, sizeKey } from './quantities.ts';
import { stringKey } from './string.ts';
import { userKey } from './user.ts';
import { volumesKey } from './volumes.ts';

/** The engine rejects smaller memory limits. */
const memoryMin = 6 << 20;

export const imageKey = stringKey('The image. Without a tag: latest.', {
  pattern: '^\\S+$',
  check: (text) =>
    /^\S+$/.test(text) ? undefined : { message: `must not contain white space, got '${truncate(text)}'` },
});
export const pullKey = enumKey('Whether to pull an image that the engine already has.', ['missing', 'always', 'never']);
export const memoryKey = sizeKey('Memory limit, such as 256m.', memoryMin);
export const cpusKey = numberKey('CPU limit, such as 0.5.', { least: 0.01, most: 10_000 });

export const serviceKeys = {
  image: imageKey,
  env: envKey,
  command: argvKey('The program and its arguments, instead of those of the image.'),
  entrypoint: argvKey('The entrypoint that receives the command, instead of that of the image. [""] removes it.', {
    mayReset: true,
  }),
  health: healthKey,
  volumes: volumesKey,
  memory: memoryKey,
  cpus: cpusKey,
  user: userKey,
  pull: pullKey,
  registry: registryKey,
};
