// `npm run check:text`: finds banned phrases and names, long lines and crowded folders in every file of the repository.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import {
  type BannedText,
  bannedIdentifiers,
  bannedNames,
  bannedPhrases,
  bannedWords,
  quotations,
} from './banned-text.ts';

export interface TextDiagnostic {
  readonly file: string;
  /** Counted from 1; 0 means the folder or file as a whole. */
  readonly line: number;
  readonly found: string;
  readonly instead: string;
}

const lineLengthMax = 120;
const folderFilesMax = 20;

/** Files whose content is not prose of this project. */
const foreignFiles = /^(?:test\/vectors\/|LICENSE$|package-lock\.json$|test\/protocol\/wire-pins\.json$)/;
/** The list of banned text, its test, and the glossary, which shows what each word replaced. */
const listFiles = /^(?:\.ci\/banned-text\.ts|test\/checks\/checks\.test\.ts|docs\/glossary\.md)$/;
/** Folders that may hold more files: each file defines one thing of the same kind, such as a route. */
const wideFolders = /(?:^|\/)(?:keys|rules|routes|commands|decisions|vectors(?:\/.*)?)$/;
const sourceFiles = /\.(?:ts|js|mjs|json|jsonc|sh|py|go)$|^\.ci\//;

/** Returns what is wrong with the text of one file. */
export function checkFile(file: string, text: string): readonly TextDiagnostic[] {
  if (foreignFiles.test(file)) return [];
  const lines = text.split('\n');
  const prose = listFiles.test(file) ? [] : lines.flatMap((line, at) => checkLine(file, line, at + 1));
  return [...prose, ...checkLineLengths(file, lines)];
}

/** Returns the folders that hold too many files. */
export function checkFolders(files: readonly string[]): readonly TextDiagnostic[] {
  const counts = new Map<string, number>();
  for (const file of files) {
    const folder = file.slice(0, Math.max(0, file.lastIndexOf('/')));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts]
    .filter(([folder, count]) => count > folderFilesMax && !wideFolders.test(folder))
    .map(([folder, count]) => ({
      file: folder,
      line: 0,
      found: `${count} files in one folder`,
      instead: `folders with at most ${folderFilesMax} files`,
    }));
}

/** Phrases match in any case; the patterns of names are case-sensitive. */
const patterns: readonly BannedText[] = [
  ...bannedPhrases.map((phrase) => ({ ...phrase, pattern: new RegExp(phrase.pattern, 'i') })),
  ...bannedNames,
];

function checkLine(file: string, line: string, number: number): readonly TextDiagnostic[] {
  if (quotations.some((quotation) => quotation.file.test(file) && quotation.line.test(line))) return [];
  const found = patterns.flatMap(({ pattern, instead, files = /./ }) => {
    const match = files.test(file) ? pattern.exec(line)?.[0].trim() : undefined;
    return match === undefined ? [] : [{ found: match, instead }];
  });
  return [...found, ...checkWords(line)].map((one) => ({ file, line: number, ...one }));
}

function checkWords(line: string): readonly { readonly found: string; readonly instead: string }[] {
  const identifiers = line.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu) ?? [];
  const words = identifiers.flatMap((identifier) => identifier.split(/(?<=\p{Ll})(?=\p{Lu})|[_$\d]+/u));
  return [
    ...identifiers.flatMap((identifier) => lookUp(bannedIdentifiers, identifier)),
    ...words.flatMap((word) => lookUp(bannedWords, word.toLowerCase())),
  ];
}

function lookUp(table: Readonly<Record<string, string>>, word: string) {
  return Object.hasOwn(table, word) ? [{ found: word, instead: table[word]! }] : [];
}

function checkLineLengths(file: string, lines: readonly string[]): readonly TextDiagnostic[] {
  const measured = file.endsWith('.md') ? proseLines(lines) : sourceFiles.test(file) ? lines.entries() : [];
  return [...measured]
    .filter(([, line]) => [...line].length > lineLengthMax)
    .map(([at, line]) => ({
      file,
      line: at + 1,
      found: `${[...line].length} characters`,
      instead: `at most ${lineLengthMax} characters`,
    }));
}

/** Lines of a document that can be wrapped: no tables, no blocks of code, no long addresses. */
function* proseLines(lines: readonly string[]): Generator<readonly [number, string]> {
  let inCode = false;
  for (const [at, line] of lines.entries()) {
    if (/^\s*```/.test(line)) inCode = !inCode;
    else if (!inCode && !/^\s*\||^ {4}|https?:\/\/\S{60}/.test(line)) yield [at, line];
  }
}

function listFilesOfRepository(): readonly string[] {
  // Without this option, git rejects a checkout of another user, and the tests may run as another user than its owner.
  const asAnyUser = ['-c', 'safe.directory=*'];
  const all = ['--cached', '--others', '--exclude-standard', '--deduplicate'];
  const listed = execFileSync('git', [...asAnyUser, 'ls-files', ...all], { encoding: 'utf8' });
  return listed.split('\n').filter((file) => file !== '');
}

export function checkRepository(): readonly TextDiagnostic[] {
  const files = listFilesOfRepository();
  const texts = files.flatMap((file) => {
    try {
      return [[file, readFileSync(file, 'utf8')] as const];
    } catch {
      // The file was deleted, but the deletion is not yet in the index of git.
      return [];
    }
  });
  return [...texts.flatMap(([file, text]) => checkFile(file, text)), ...checkFolders(texts.map(([file]) => file))];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const diagnostics = checkRepository();
  for (const { file, line, found, instead } of diagnostics)
    process.stdout.write(`${file}:${line}: "${found}": write ${instead}\n`);
  if (diagnostics.length > 0) process.stdout.write(`${diagnostics.length} to change (.ci/banned-text.ts)\n`);
  process.exitCode = diagnostics.length > 0 ? 1 : 0;
}
