#!/usr/bin/env node
// The command `distillery`: runs the build in dist/ if it is newer than the sources, and the TypeScript otherwise.
// Plain JavaScript, so that Node can run it. Works from any folder and through a symlink.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const built = new URL('dist/main.js', root);

const source = new URL('server/main.ts', root);

const { main } = await (isBuildUsable() ? import(built.href) : importSource());
process.exit(await main(process.argv.slice(2)));

/** Returns whether to run the build. An installed package has no sources, so this exits if its build is incomplete. */
function isBuildUsable() {
  const missing = missingFiles();
  if (modifiedMs(source) !== 0) return missing.length === 0 && isBuildCurrent();
  if (missing.length === 0) return true;
  process.stderr.write(
    `distillery: ${fileURLToPath(new URL('dist/', root))} is incomplete, ${missing.join(', ')} is missing; ` +
      'install the package "distillery-gateway" again\n',
  );
  process.exit(125);
}

/** Returns the names of missing build files. The build lists its files in dist/files.json. */
function missingFiles() {
  return ['main.js', ...listFiles()].filter((name) => modifiedMs(new URL(`dist/${name}`, root)) === 0);
}

function listFiles() {
  try {
    return JSON.parse(readFileSync(new URL('dist/files.json', root), 'utf8'));
  } catch {
    return [];
  }
}

function isBuildCurrent() {
  const builtMs = modifiedMs(built);
  return ['protocol', 'calls', 'server'].every((name) => isOlder(new URL(`${name}/`, root), builtMs));
}

/**
 * Returns whether everything in a folder is older than the build. Compares the times of folders, too: they change when
 * a file is added or removed.
 */
function isOlder(folder, builtMs) {
  if (modifiedMs(folder) >= builtMs) return false;
  return readdirSync(folder, { withFileTypes: true }).every((entry) =>
    entry.isDirectory()
      ? isOlder(new URL(`${entry.name}/`, folder), builtMs)
      : modifiedMs(new URL(entry.name, folder)) < builtMs,
  );
}

function modifiedMs(url) {
  return statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

async function importSource() {
  const esbuild = await import('esbuild').catch(() => {
    process.stderr.write(`distillery: packages are not installed; run "npm install" in ${fileURLToPath(root)}\n`);
    process.exit(125);
  });
  process.setSourceMapsEnabled(true);
  const loader = readFileSync(new URL('support/import-bundled.ts', import.meta.url), 'utf8');
  const { code } = await esbuild.transform(loader, { loader: 'ts', format: 'esm' });
  const { createBundle, importBundle } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  return importBundle(await createBundle(fileURLToPath(new URL('main.ts', import.meta.url)), { esbuild }));
}
