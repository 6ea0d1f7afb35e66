// Keeps secrets out of what is told: wherever one of them stands, `***` stands instead.

import type { Output, OutputStream } from '../../../calls/contract/ports.ts';

export interface Mask {
  text(text: string): string;
  /**
   * The same output, masked, whichever way chunks are cut; its parts, too. What may be the beginning of a secret is held back until more comes, or the stream
   * ends. Without secrets it is the output itself.
   */
  output(output: Output): Output;
}

/**
 * Each of `values` is a secret as a whole, and each of its lines, but for very short ones: to take those out would leave nothing readable, and still tell where they
 * were. Secrets that overlap are taken out together.
 */
export function createMask(values: readonly string[]): Mask {
  const secrets = secretsIn(values);
  if (secrets.length === 0) return { text: (text) => text, output: (output) => output };
  return {
    text: (text) => new Masking(secrets).last(Buffer.from(text)).toString(),
    output: (output) => masked(output, secrets),
  };
}

/** Characters; of a line of a value that has several. */
const shortest = { value: 3, line: 4 } as const;
const stars = Buffer.from('***');
const nothing: Buffer = Buffer.alloc(0);

/** As bytes, each once. The line break at the end of a file is no part of the secret in it. */
function secretsIn(values: readonly string[]): readonly Buffer[] {
  const texts = values.flatMap((value) => {
    const whole = value.replace(/^[\r\n]+|[\r\n]+$/g, '');
    const lines = whole.split(/\r?\n|\r/);
    return [...(whole.length >= shortest.value ? [whole] : []), ...(lines.length > 1 ? lines.filter((line) => line.trim().length >= shortest.line) : [])];
  });
  return [...new Set(texts)].map((text) => Buffer.from(text));
}

function masked(output: Output, secrets: readonly Buffer[]): Output {
  const streams: Readonly<Record<OutputStream, Masking>> = { stdout: new Masking(secrets), stderr: new Masking(secrets) };
  const pass = (stream: OutputStream, bytes: Uint8Array): void => {
    if (bytes.length > 0) output.write(stream, bytes);
  };
  return {
    write: (stream, chunk) => pass(stream, streams[stream].next(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))),
    get full() { return output.full; },
    drained: () => output.drained(),
    end(stream) {
      pass(stream, streams[stream].last(nothing));
      output.end(stream);
    },
    part: (name) => masked(output.part(name), secrets),
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** One stream of bytes on its way through the mask. */
class Masking {
  readonly #secrets: readonly Buffer[];
  /** Seen and not yet passed on: it may be the beginning of a secret. Shorter than the longest of them. */
  #held: Buffer = nothing;
  /** So many bytes of those are in a secret that stars have been passed on for. */
  #covered = 0;

  constructor(secrets: readonly Buffer[]) {
    this.#secrets = secrets;
  }

  /** What is to be told now that `chunk` has come: it, itself, where there is nothing to mask. */
  next(chunk: Buffer): Buffer {
    return this.#mask(chunk, (bytes) => this.#sure(bytes));
  }

  /** As `next`, at the end of the stream. */
  last(chunk: Buffer): Buffer {
    return this.#mask(chunk, (bytes) => bytes.length);
  }

  /** `sure`: up to where no secret can begin that is not all there. */
  #mask(chunk: Buffer, sure: (bytes: Buffer) => number): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const until = sure(bytes);
    const spans = this.#spans(bytes);
    if (spans.length === 0 && until === bytes.length) {
      this.#held = nothing;
      return bytes;
    }
    const told: Buffer[] = [];
    let at = 0;
    let covered = Math.max(0, this.#covered - until);
    for (const { start, end } of spans) {
      if (start >= until) break;
      told.push(bytes.subarray(at, start));
      if (start > 0 || this.#covered === 0) told.push(stars);
      at = Math.min(end, until);
      covered = end - at;
    }
    told.push(bytes.subarray(at, until));
    // A copy: the chunk is the caller's again.
    this.#held = Buffer.from(bytes.subarray(until));
    this.#covered = covered;
    return Buffer.concat(told);
  }

  /** Where the longest beginning of a secret is that the bytes end with. */
  #sure(bytes: Buffer): number {
    return Math.min(...this.#secrets.map((secret) => beginsAt(bytes, secret)));
  }

  /** Where there are secrets, those that overlap as one, in their order. */
  #spans(bytes: Buffer): readonly Span[] {
    const found = this.#secrets.flatMap((secret) => occurrences(bytes, secret));
    if (this.#covered > 0) found.push({ start: 0, end: this.#covered });
    if (found.length < 2) return found;
    found.sort((a, b) => a.start - b.start || b.end - a.end);
    const spans: Span[] = [];
    for (const { start, end } of found) {
      const before = spans.at(-1);
      if (before !== undefined && start < before.end) spans[spans.length - 1] = { start: before.start, end: Math.max(before.end, end) };
      else spans.push({ start, end });
    }
    return spans;
  }
}

function occurrences(bytes: Buffer, secret: Buffer): Span[] {
  const found: Span[] = [];
  for (let start = bytes.indexOf(secret); start !== -1; start = bytes.indexOf(secret, start + 1)) found.push({ start, end: start + secret.length });
  return found;
}

function beginsAt(bytes: Buffer, secret: Buffer): number {
  const first = secret[0]!;
  const { length } = bytes;
  for (let at = bytes.indexOf(first, Math.max(0, length - secret.length + 1)); at !== -1; at = bytes.indexOf(first, at + 1)) {
    if (secret.compare(bytes, at, length, 0, length - at) === 0) return at;
  }
  return length;
}
