// Builds dist/: server and command line as JavaScript, the module API with its types, and the licences of bundled
// packages. usage: node .ci/build.mjs

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
// The files move to dist/ when the build is complete, so that no command finds half a build.
const target = `${dist}.${process.pid}`;

/**
 * Dependencies of the installed package, which are not bundled: native addons, and packages that load their own files.
 */
const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const external = Object.keys({ ...dependencies, ...optionalDependencies });

const started = new Date();
try {
  mkdirSync(target);
  const [{ metafile }] = await Promise.all([bundle(), Promise.resolve().then(emitTypes)]);
  writeFileSync(join(target, 'licenses.txt'), licenses(metafile));
  // The executable `distillery` checks that none of these files is missing.
  const files = Object.keys(metafile.outputs).map((path) => basename(path));
  writeFileSync(join(target, 'files.json'), JSON.stringify(files.filter((name) => name.endsWith('.js'))));
  // Date the build at its start, so that a source saved during the build counts as newer.
  utimesSync(join(target, 'main.js'), started, started);
  replaceDist();
} finally {
  rmSync(target, { recursive: true, force: true });
}
// stdout belongs to the command that builds, such as `npm pack`.
console.error(`built dist/ in ${Date.now() - started.getTime()} ms`);

function bundle() {
  return build({
    absWorkingDir: root,
    entryPoints: { main: 'server/main.ts', calls: 'calls/module-api.ts' },
    outdir: target,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // Without this, esbuild adds the condition "module", which Node does not have.
    conditions: [],
    external,
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    // CommonJS packages call `require` for Node's own modules.
    banner: {
      js: [
        "import { createRequire as createRequireOfBuild } from 'node:module';",
        'const require = createRequireOfBuild(import.meta.url);',
      ].join(' '),
    },
  });
}

/** Emits the types of the module API and of everything it refers to. */
function emitTypes() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const flags = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', '.'];
  execFileSync(process.execPath, [tsc, '-p', 'calls', ...flags, '--outDir', join(target, 'types')], {
    cwd: root,
    stdio: 'inherit',
  });
}

/** Returns the licences of all bundled packages. */
function licenses({ inputs }) {
  const folders = new Set(
    Object.keys(inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  return [...folders]
    .sort()
    .map(readLicense)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function readLicense(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? '' : `\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n`;
  return `${name} ${version} (${license})\n${text}`;
}

/**
 * Moves the files into dist/ one by one, the entry points last, and then removes the files of the previous build.
 * Commands that start meanwhile find a complete build: names of chunks change with their content, so no chunk of the
 * previous build is overwritten.
 */
function replaceDist() {
  const isEntry = (name) => ['main.js', 'calls.js', 'files.json'].includes(name);
  const files = listFiles(target).sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)));
  for (const name of files) {
    mkdirSync(dirname(join(dist, name)), { recursive: true });
    renameSync(join(target, name), join(dist, name));
  }
  for (const name of listFiles(dist)) if (!files.includes(name)) rmSync(join(dist, name));
}

function listFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}
