// Which entries of an archive from a container are kept of a wish, and where.

import { posix } from 'node:path';
import { ArchiveError } from '../../support/archive/archive-error.ts';
import { textOf, type Entry } from '../../support/archive/entries.ts';
import type { Filling } from '../../support/archive/tree.ts';
import { compileExpression, type Expression } from '../../support/expression.ts';
import type { ArtifactWish } from './artifact-wishes.ts';
import { withFolders } from './dockerignore.ts';
import { globExpression } from './glob.ts';

interface Pattern {
  readonly written: string;
  /** Absent: it fits everything. */
  readonly expression?: Expression;
}

export class Selection {
  readonly #wish: ArtifactWish;
  /** The first part of every name in the archive. */
  readonly #base: string;
  readonly #as: string;
  readonly #patterns: readonly Pattern[] | undefined;
  readonly #matched = new Set<string>();

  /** Throws ArchiveError for a glob that means nothing. */
  constructor(wish: ArtifactWish) {
    this.#wish = wish;
    this.#base = bytesOf(posix.basename(wish.path));
    this.#as = bytesOf(wish.as);
    this.#patterns = wish.globs?.map(({ written, below }) => ({ written, ...(below !== '' && { expression: compiled(written, below) }) }));
  }

  /** How the archive goes into the job's folder. */
  get filling(): Filling {
    return {
      place: (name, kind) => this.#place(name, kind),
      // What a glob selects may lead to what another one does.
      within: this.#patterns === undefined ? this.#as : '',
      rooted: this.#wish.path === '/',
    };
  }

  #place(name: string, kind: Entry['kind']): string | undefined {
    const below = this.#below(name);
    const wanted = this.#patterns?.some(({ expression }) => expression === undefined) ?? true;
    if (below === '' && kind === 'link' && wanted) throw new ArchiveError('it is a symbolic link: name what it leads to');
    if (!this.#selects(below)) return undefined;
    return [this.#as, below].filter((part) => part !== '').join('/');
  }

  /** Globs that have matched nothing so far, as they were written. */
  get unmatched(): readonly string[] {
    return (this.#patterns ?? []).map(({ written }) => written).filter((written) => !this.#matched.has(written));
  }

  #below(name: string): string {
    if (this.#base === '' || name === '') return name;
    if (name === this.#base) return '';
    if (name.startsWith(`${this.#base}/`)) return name.slice(this.#base.length + 1);
    throw new ArchiveError(`the engine gave "${textOf(name)}" for ${this.#wish.path}`);
  }

  /** Whatever fits, and all that is in a folder that does. */
  #selects(below: string): boolean {
    if (this.#patterns === undefined) return true;
    const paths = below === '' ? [] : withFolders(textOf(below));
    let selected = false;
    for (const { written, expression } of this.#patterns) {
      if (expression !== undefined && !paths.some((path) => expression.test(path))) continue;
      this.#matched.add(written);
      selected = true;
    }
    return selected;
  }
}

function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function compiled(written: string, below: string): Expression {
  const expression = compileExpression(globExpression(below, 'usual'));
  if (expression === undefined) throw new ArchiveError(`the glob "${written}" means nothing: see what is in brackets`);
  return expression;
}
