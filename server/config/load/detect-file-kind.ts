// Detects from the keys of a file whether it is a configuration or a pipeline. Searches the text instead of parsing it,
// so invalid YAML also works.

import { topKeys } from '../schema/schema.ts';
import { readConfigFile } from './read-file.ts';

/** Keys that only configurations have. `docker` is also a key of pipelines. */
const configOnlyKeys = Object.keys(topKeys).filter((key) => key !== 'docker');

const workflow = findTopLevelKey(['workflow']);
const section = findTopLevelKey(configOnlyKeys);
const job = /^[^#\n]*[\s{,]["']?((image|dockerfile|script)["']?\s*:|host["']?\s*:\s*true\b)/im;

/** Returns the kind of a file; `unknown` if it cannot be read or has no decisive key. Never throws. */
export async function detectFileKind(file: string): Promise<'configuration' | 'pipeline' | 'unknown'> {
  const read = await readConfigFile(file);
  if (!read.ok) return 'unknown';
  if (workflow.test(read.text)) return 'pipeline';
  if (section.test(read.text)) return 'configuration';
  return job.test(read.text) ? 'pipeline' : 'unknown';
}

/** Returns a regular expression that finds one of `keys` at the top level. It ignores case, as pipelines do. */
function findTopLevelKey(keys: readonly string[]): RegExp {
  return new RegExp(`^\\{?\\s{0,1}["']?(${keys.join('|')})["']?\\s*:`, 'im');
}
