// Compiles WebAssembly text with wabt, to compare it with the checked-in bytes.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

/** Returns the bytes of the module in `path`, relative to the repository, as base64. Rejects if the text is invalid. */
export async function compileWat(path: string): Promise<string> {
  const text = readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
  const module = (await wabt()).parseWat(path, text, { simd: true, bulk_memory: true });
  try {
    return Buffer.from(module.toBinary({}).buffer).toString('base64');
  } finally {
    module.destroy();
  }
}
