// Reads where a gateway listens from its configuration file, without loading the rest of it.

import { asMapping } from '../loose-access.ts';
import { checkListen, defaultListen, type Listen } from '../schema/listen.ts';
import { parseYaml } from './parse.ts';
import { readConfigFile } from './read-file.ts';

/**
 * Returns the listen address. Checks only the text and `http.listen`, and runs no module. Returns undefined if the file
 * cannot be read or one of these is not valid; `loadConfig` then reports why.
 */
export async function readListen(file: string): Promise<Extract<Listen, { readonly ok: true }> | undefined> {
  const read = await readConfigFile(file);
  if (!read.ok) return undefined;
  const { value, diagnostics } = parseYaml(file, read.text);
  if (diagnostics.length > 0) return undefined;
  const text = asMapping(asMapping(value)['http'])['listen'] ?? defaultListen;
  const listen = typeof text === 'string' ? checkListen(text) : undefined;
  return listen?.ok ? listen : undefined;
}
