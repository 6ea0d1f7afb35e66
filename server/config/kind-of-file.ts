// Whether a file is a configuration or a pipeline, as far as its keys tell. Looked for in the text, so that a broken file is told its own mistakes, too.

import { readConfigFile } from './read.ts';
import { topKeys } from './schema.ts';

/** `docker` is a key of both. */
const ours = Object.keys(topKeys).filter((key) => key !== 'docker');

const workflow = atTop(['workflow']);
const section = atTop(ours);
const job = /^[^#\n]*[\s{,]["']?((image|dockerfile|script)["']?\s*:|host["']?\s*:\s*true\b)/im;

/** Never throws; what cannot be read, or has no key that tells, counts as a configuration. */
export async function kindOfFile(file: string): Promise<'configuration' | 'pipeline'> {
  const read = await readConfigFile(file);
  return read.ok && looksLikePipeline(read.text) ? 'pipeline' : 'configuration';
}

function looksLikePipeline(text: string): boolean {
  return workflow.test(text) || (!section.test(text) && job.test(text));
}

/** Keys of pipelines are the same in any case. */
function atTop(keys: readonly string[]): RegExp {
  return new RegExp(`^\\{?\\s{0,1}["']?(${keys.join('|')})["']?\\s*:`, 'im');
}
