// Bundles a TypeScript or JavaScript file with esbuild, in memory, and imports the result.

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BuildOptions, Loader, OnResolveArgs, Plugin, PluginBuild } from 'esbuild';

type Esbuild = typeof import('esbuild');

export type Exports = Readonly<Record<string, unknown>>;

export interface BundleOptions {
  readonly esbuild: Esbuild;
  /** Exports of this process that bundled files can import, by specifier. */
  readonly provided?: Readonly<Record<string, Exports>>;
}

/**
 * Returns the code of the bundle. Local imports become part of the bundle; packages are imported from where the
 * importing file finds them. Rejects with esbuild's message, `file:line:column: ERROR: …`, if a file cannot be read or
 * compiled.
 */
export async function createBundle(path: string, { esbuild, provided = {} }: BundleOptions): Promise<string> {
  builds += 1;
  try {
    const { outputFiles } = await esbuild.build({ ...buildOptions(path), plugins: [createPlugin(provided)] });
    return outputFiles[0]!.text;
  } finally {
    builds -= 1;
    // Stop the process that esbuild has started, because it would keep running.
    if (builds === 0) await esbuild.stop();
  }
}

/** Number of builds in progress. They share one esbuild process. */
let builds = 0;

/**
 * Evaluates a bundle and returns its exports. Each call evaluates the bundle again. Rejects with the error of the code.
 */
export async function importBundle(code: string): Promise<Exports> {
  const folder = relativeImport.test(code) ? undefined : await createPrivateFolder();
  if (folder === undefined) return import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
  try {
    const file = join(folder, 'bundle.mjs');
    await writeFile(file, code, { mode: 0o600 });
    return await import(pathToFileURL(file).href);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Matches an `import()` whose result may depend on where the bundle is: its name is computed, or was not found. Node
 * rejects it in code that is imported from memory. In a file, the lookup would also search the temporary folder, in
 * which any user can put code.
 */
const relativeImport = /\bimport\((?!"(?:file|node):|pathToFileURL\d*\(|`data:)/;

/**
 * Creates a folder that no other user can change, so that the code stays the same until Node reads it. Resolves
 * with undefined if that is not possible; stack traces of the bundle then show no source lines.
 */
async function createPrivateFolder(): Promise<string | undefined> {
  try {
    const { uid, mode } = await stat(tmpdir());
    const hasSafeOwner = uid === 0 || uid === process.getuid?.();
    const isProtected = (mode & 0o022) === 0 || (mode & 0o1000) !== 0;
    return hasSafeOwner && isProtected ? await mkdtemp(join(tmpdir(), 'distillery-')) : undefined;
  } catch {
    return undefined;
  }
}

/** Variables that replace `import.meta.url` and the like in each file. */
const fileNames = { url: '__distilleryUrl', filename: '__distilleryFilename', dirname: '__distilleryDirname' };

function buildOptions(path: string) {
  return {
    // By default, esbuild reads the package.json and tsconfig.json of the folder in which the command runs.
    absWorkingDir: dirname(path),
    entryPoints: [path],
    outfile: `${path}.bundle.mjs`,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    // Exclude the condition "module", which Node does not have.
    conditions: [],
    sourcemap: 'inline',
    // Without sourceRoot, stack traces would look for the sources beside the bundle.
    sourceRoot: pathToFileURL(`${dirname(path)}/`).href,
    sourcesContent: false,
    logLevel: 'silent',
    define: {
      'import.meta.url': fileNames.url,
      'import.meta.filename': fileNames.filename,
      'import.meta.dirname': fileNames.dirname,
      __filename: fileNames.filename,
      __dirname: fileNames.dirname,
    },
    banner: { js: requireFor(path) },
  } satisfies BuildOptions;
}

/**
 * Returns the line that defines `require`. CommonJS files in the bundle call it for packages and Node's own modules.
 */
function requireFor(path: string): string {
  const url = JSON.stringify(pathToFileURL(path).href);
  return [
    "import { createRequire as __distilleryCreateRequire } from 'node:module';",
    `const require = __distilleryCreateRequire(${url});`,
  ].join(' ');
}

const loaders: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
};

function createPlugin(provided: Readonly<Record<string, Exports>>): Plugin {
  return {
    name: 'distillery',
    setup(build) {
      build.onResolve({ filter: /^[^./]|^file:/ }, async (args) => {
        if (args.kind === 'entry-point' || args.pluginData === resolving) return undefined;
        if (isBuiltin(args.path)) return { path: args.path, external: true };
        if (Object.hasOwn(provided, args.path)) return { path: args.path, namespace: 'provided' };
        const path = await resolveImport(build, args);
        if (path === undefined) return undefined;
        return isExternal(path) ? { path: externalPath(path, args), external: true } : { path };
      });
      build.onLoad({ filter: /./, namespace: 'provided' }, ({ path }) => ({
        contents: providedModule(path, provided[path]!),
      }));
      build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: 'file' }, async ({ path }) => ({
        contents: defineFileNames(await readFile(path, 'utf8'), path),
        loader: loaders[extname(path)]!,
      }));
    },
  };
}

/** Marks requests that the plugin itself makes. It must not handle them again. */
const resolving = Symbol('resolving');

/** Returns the absolute path of a file; undefined if esbuild should report that it does not exist. */
async function resolveImport(build: PluginBuild, args: OnResolveArgs): Promise<string | undefined> {
  const { importer, resolveDir, kind } = args;
  const path = args.path.startsWith('file:') ? fileURLToPath(args.path) : args.path;
  const { errors, ...resolved } = await build.resolve(path, { importer, resolveDir, kind, pluginData: resolving });
  return errors.length > 0 || resolved.namespace !== 'file' ? undefined : resolved.path;
}

/**
 * Returns true for packages and native addons. A file outside of node_modules is bundled, even if a package name leads
 * to it.
 */
function isExternal(path: string): boolean {
  return /[\\/]node_modules[\\/]/.test(path) || path.endsWith('.node');
}

function externalPath(path: string, { kind }: OnResolveArgs): string {
  return kind === 'require-call' || kind === 'require-resolve' ? path : pathToFileURL(path).href;
}

/**
 * Returns a module that exports values of this process. The bundle has its own scope, so the values reach it through a
 * global.
 */
function providedModule(specifier: string, exports: Exports): string {
  const key = `distillery-gateway.provided:${specifier}`;
  (globalThis as Record<symbol, unknown>)[Symbol.for(key)] = exports;
  const names = Object.keys(exports).filter((name) => name !== 'default');
  return `export const { ${names.join(', ')} } = globalThis[Symbol.for(${JSON.stringify(key)})];`;
}

/** Inserts the variables on the first line (after a hashbang, on the second), so that line numbers do not change. */
function defineFileNames(text: string, path: string): string {
  if (!/import\.meta|__(?:file|dir)name/.test(text)) return text;
  const values = { url: pathToFileURL(path).href, filename: path, dirname: dirname(path) };
  const names = Object.entries(values).map(
    ([key, value]) => `${fileNames[key as keyof typeof values]} = ${JSON.stringify(value)}`,
  );
  const at = text.startsWith('#!') ? text.indexOf('\n') + 1 : 0;
  return `${text.slice(0, at)}const ${names.join(', ')}; ${text.slice(at)}`;
}
