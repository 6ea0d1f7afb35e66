// Selects which entries of a container's archive an artifact request stores, and where.

import { isUtf8 } from 'node:buffer';
import { posix } from 'node:path';
import { compileLinearRegExp, type LinearRegExp } from '../../../calls/text/linear-regexp.ts';
import { ArchiveError } from '../../archive/archive-error.ts';
import { type ExtractOptions, nameReason } from '../../archive/extract.ts';
import { type ArchiveEntry, decodeName } from '../../archive/read-entries.ts';
import type { ArtifactRequest } from './artifact-requests.ts';
import { pathAndParents } from './dockerignore.ts';
import { globExpression } from './glob.ts';

interface Pattern {
  readonly written: string;
  /** Absent: the pattern matches everything. */
  readonly expression?: LinearRegExp;
}

/** An entry that was not stored, and why. */
export interface SkippedArtifact {
  readonly name: string;
  readonly why: string;
}

const skippedShownMax = 10;

/** Returns one warning per entry; after `skippedShownMax`, one for all others. */
export function describeSkipped(skipped: readonly SkippedArtifact[]): readonly string[] {
  const more = skipped.length - skippedShownMax;
  return [
    ...skipped
      .slice(0, skippedShownMax)
      .map(({ name, why }) => `the artifact ${JSON.stringify(name)} is not stored: ${why}`),
    ...(more > 0 ? [`${more} more artifacts are not stored`] : []),
  ];
}

export class ArtifactFilter {
  readonly #request: ArtifactRequest;
  /** First path segment of every entry name in the archive. */
  readonly #base: string;
  readonly #storeAs: string;
  readonly #patterns: readonly Pattern[] | undefined;
  readonly #matched = new Set<string>();
  /** Entries that match but cannot be stored. */
  readonly skipped: SkippedArtifact[] = [];

  /** Throws ArchiveError for an invalid glob. */
  constructor(request: ArtifactRequest) {
    this.#request = request;
    this.#base = toLatin1Bytes(posix.basename(request.path));
    this.#storeAs = toLatin1Bytes(request.storeAs);
    this.#patterns = request.globs?.map(({ written, below }) => ({
      written,
      ...(below !== '' && { expression: compileGlob(written, below) }),
    }));
  }

  /** Options to extract the archive into the job's folder. */
  get extractOptions(): ExtractOptions {
    return {
      targetPath: (name, kind) => this.#targetPath(name, kind),
      // A link that one glob selects may point to a file that another glob selects.
      within: this.#patterns === undefined ? this.#storeAs : '',
      allowAbsolute: this.#request.path === '/',
      onSkipped: (name, why) => this.#skip(name, why),
    };
  }

  #targetPath(name: string, kind: ArchiveEntry['kind']): string | undefined {
    const below = this.#pathBelow(name);
    const matchesRoot = this.#patterns?.some(({ expression }) => expression === undefined) ?? true;
    if (below === '' && kind === 'link' && matchesRoot)
      throw new ArchiveError('it is a symbolic link: name the target instead');
    if (!this.#selects(below)) return undefined;
    // The routes of artifacts cannot name such a file.
    if (!isUtf8(Buffer.from(name, 'latin1'))) return this.#skip(decodeName(name), nameReason);
    return [this.#storeAs, below].filter((part) => part !== '').join('/');
  }

  #skip(name: string, why: string): undefined {
    this.skipped.push({ name, why });
  }

  /** Globs without a match so far, as written in the file. */
  get unmatched(): readonly string[] {
    return (this.#patterns ?? []).map(({ written }) => written).filter((written) => !this.#matched.has(written));
  }

  #pathBelow(name: string): string {
    if (this.#base === '' || name === '') return name;
    if (name === this.#base) return '';
    if (name.startsWith(`${this.#base}/`)) return name.slice(this.#base.length + 1);
    throw new ArchiveError(`the engine returned "${decodeName(name)}" for ${this.#request.path}`);
  }

  /** True for a path that matches, and for everything in a folder that matches. */
  #selects(below: string): boolean {
    if (this.#patterns === undefined) return true;
    const paths = below === '' ? [] : pathAndParents(decodeName(below));
    let selected = false;
    for (const { written, expression } of this.#patterns) {
      if (expression !== undefined && !paths.some((path) => expression.test(path))) continue;
      this.#matched.add(written);
      selected = true;
    }
    return selected;
  }
}

function toLatin1Bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function compileGlob(written: string, below: string): LinearRegExp {
  const expression = compileLinearRegExp(globExpression(below, 'usual'));
  if (expression === undefined) throw new ArchiveError(`the glob "${written}" is invalid: check its brackets`);
  return expression;
}
