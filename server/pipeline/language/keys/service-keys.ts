// The keys of a service.

import { numberKey, sizeKey } from './amounts.ts';
import { choiceKey } from './choice.ts';
import { envKey } from './env.ts';
import { healthKey } from './health.ts';
import { registryKey } from './names.ts';
import { textKey } from './text.ts';
import { userKey } from './user.ts';
import { volumesKey } from './volumes.ts';
import { wordsKey } from './words.ts';

/** The engine refuses less. */
const memoryLeast = 6 << 20;

export const imageKey = textKey('The image; without a tag it is the latest.');
export const pullKey = choiceKey('Whether the image is pulled although the engine has it.', ['missing', 'always', 'never']);
export const memoryKey = sizeKey('The most memory it may have, such as 256m.', memoryLeast);
export const cpusKey = numberKey('How many processors it may use, such as 0.5.', { least: 0.01, most: 10_000 });

export const serviceKeys = {
  image: imageKey,
  env: envKey,
  command: wordsKey("The program and its arguments, instead of the image's own."),
  entrypoint: wordsKey("What the command is given to, instead of the image's own."),
  health: healthKey,
  volumes: volumesKey,
  memory: memoryKey,
  cpus: cpusKey,
  user: userKey,
  pull: pullKey,
  registry: registryKey,
};
