#!/usr/bin/env node
// The command `distillery`: teaches Node to read TypeScript, then hands over to main.ts.
// Plain JavaScript, because Node itself has to read it; works from any folder and through a symlink, as imports start at the real file.

import { register as addHook } from 'node:module';
import { fileURLToPath } from 'node:url';

const tsconfig = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));

const { register } = await import('tsx/esm/api').catch(() => {
  const home = fileURLToPath(new URL('../..', import.meta.url));
  process.stderr.write(`distillery: its packages are not installed; run "npm install" in ${home}\n`);
  process.exit(125);
});
// Without our own tsconfig tsx would take the one of the folder the command is called in.
register({ tsconfig });
addHook('./plain-names.js', import.meta.url);

const { main } = await import('../main.ts');
process.exit(await main(process.argv.slice(2)));
