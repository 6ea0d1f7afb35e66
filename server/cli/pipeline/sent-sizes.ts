// Adds up the sizes of the files that a command sends, to name the largest and those that are seldom meant to be sent.

import { formatSize } from '../call/format.ts';

/** Names that are seldom meant to be sent: the history of git, installed packages, and secrets. */
const suspectName = /^(?:\.git|node_modules|\.env(?:\..+)?)$/;

export class SentSizes {
  readonly #parts = new Map<string, number>();
  readonly #suspects = new Map<string, number>();

  /** `path` is relative to the sent folder. */
  add(path: string, bytes: number): void {
    const names = path.split('/');
    count(this.#parts, names[0]!, bytes);
    const suspect = names.findIndex((name) => suspectName.test(name));
    if (suspect !== -1) count(this.#suspects, names.slice(0, suspect + 1).join('/'), bytes);
  }

  /** The largest file or folder directly in the sent folder, with its size. */
  get largest(): string | undefined {
    const [largest] = bySize(this.#parts);
    return largest === undefined ? undefined : describe(largest);
  }

  /** Files and folders that are seldom meant to be sent, with their sizes, largest first. */
  get suspects(): readonly string[] {
    return bySize(this.#suspects).map(describe);
  }
}

type Sized = readonly [name: string, bytes: number];

function count(sizes: Map<string, number>, name: string, bytes: number): void {
  sizes.set(name, (sizes.get(name) ?? 0) + bytes);
}

function bySize(sizes: ReadonlyMap<string, number>): readonly Sized[] {
  return [...sizes].sort(([, one], [, other]) => other - one);
}

function describe([name, bytes]: Sized): string {
  return `${name} (${formatSize(bytes)})`;
}
