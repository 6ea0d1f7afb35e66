// A file for responses that never fit into the buffers between the server and a client that reads nothing.

import { open } from 'node:fs/promises';

/** More than the buffers can hold: the kernel limits the buffer of each socket to 2 GiB. */
const endlessBytes = 8 * 2 ** 30;

/** Creates a file that consists of a hole, so that it needs no space. */
export async function createEndlessFile(path: string): Promise<void> {
  const file = await open(path, 'wx');
  await file.truncate(endlessBytes);
  await file.close();
}
