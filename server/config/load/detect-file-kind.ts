// Detects from the keys of a file whether it is a configuration or a pipeline. Searches the text instead of parsing it,
// so invalid YAML also works.

import { topKeys } from '../schema/schema.ts';
import { readConfigFile } from './read-file.ts';

/** Keys that only configurations have. `docker` is also a key of pipelines. */
const configOnlyKeys = Object.keys(topKeys).filter((key) => key !== 'docker');

const workflow = findTopLevelKey(['workflow']);
const section = findTopLevelKey(configOnlyKeys);
const job = /^[^#\n]*[\s{,]["']?((image|dockerfile|script)["']?\s*:|host["']?\s*:\s*true\b)/im;

/**
 * Returns the kind of a file. A file that cannot be read or has no decisive key counts as a configuration. Never
 * throws.
 */
export async function detectFileKind(file: string): Promise<'configuration' | 'pipeline'> {
  const read = await readConfigFile(file);
  return read.ok && looksLikePipeline(read.text) ? 'pipeline' : 'configuration';
}

function looksLikePipeline(text: string): boolean {
  return workflow.test(text) || (!section.test(text) && job.test(text));
}

/** Returns a regular expression that finds one of `keys` at the top level. It ignores case, as pipelines do. */
function findTopLevelKey(keys: readonly string[]): RegExp {
  return new RegExp(`^\\{?\\s{0,1}["']?(${keys.join('|')})["']?\\s*:`, 'im');
}
