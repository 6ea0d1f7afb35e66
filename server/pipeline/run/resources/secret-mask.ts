// Masks secrets in text and output: replaces each occurrence with `***`.

import type { Output, OutputStream } from '../../../../calls/contract/ports.ts';

export interface Mask {
  text(text: string): string;
  /**
   * Returns an output that masks secrets in everything written to it and to its parts, even if a secret spans several
   * chunks. Buffers bytes that may be the beginning of a secret, until more bytes arrive or the stream ends. Without
   * secrets, returns `output` itself.
   */
  output(output: Output): Output;
}

/**
 * Masks each value as a whole and each of its lines. Does not mask very short values and lines, because that would make
 * the output unreadable and still reveal them. Replaces overlapping secrets by one `***`.
 */
export function createMask(values: readonly string[]): Mask {
  const secrets = secretBytes(values);
  if (secrets.length === 0) return { text: (text) => text, output: (output) => output };
  return {
    text: (text) => new StreamMasker(secrets).finish(Buffer.from(text)).toString(),
    output: (output) => maskOutput(output, secrets),
  };
}

/** In characters. `line` applies to each line of a value with several lines. */
const minimumLength = { value: 3, line: 4 } as const;
const stars = Buffer.from('***');
const noBytes: Buffer = Buffer.alloc(0);

/** Returns each distinct secret as bytes. A line break at the start or end of a value is not part of the secret. */
function secretBytes(values: readonly string[]): readonly Buffer[] {
  const texts = values.flatMap((value) => {
    const whole = value.replace(/^[\r\n]+|[\r\n]+$/g, '');
    const lines = whole.split(/\r?\n|\r/);
    return [
      ...(whole.length >= minimumLength.value ? [whole] : []),
      ...(lines.length > 1 ? lines.filter((line) => line.trim().length >= minimumLength.line) : []),
    ];
  });
  return [...new Set(texts)].map((text) => Buffer.from(text));
}

function maskOutput(output: Output, secrets: readonly Buffer[]): Output {
  const streams: Readonly<Record<OutputStream, StreamMasker>> = {
    stdout: new StreamMasker(secrets),
    stderr: new StreamMasker(secrets),
  };
  const pass = (stream: OutputStream, bytes: Uint8Array): void => {
    if (bytes.length > 0) output.write(stream, bytes);
  };
  return {
    write: (stream, chunk) =>
      pass(stream, streams[stream].push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))),
    get full() {
      return output.full;
    },
    drained: () => output.drained(),
    end(stream) {
      pass(stream, streams[stream].finish(noBytes));
      output.end(stream);
    },
    part: (name, options) => maskOutput(output.part(name, options), secrets),
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Masks one stream of bytes. */
class StreamMasker {
  readonly #secrets: readonly Buffer[];
  /** Bytes received but not yet written, because they may start a secret. Shorter than the longest secret. */
  #buffered: Buffer = noBytes;
  /** How many buffered bytes belong to a secret that has already been replaced. */
  #covered = 0;

  constructor(secrets: readonly Buffer[]) {
    this.#secrets = secrets;
  }

  /**
   * Returns the bytes that can be written after `chunk` has arrived. Returns `chunk` itself if there is nothing to
   * mask.
   */
  push(chunk: Buffer): Buffer {
    return this.#mask(chunk, (bytes) => this.#safeEnd(bytes));
  }

  /** Returns the buffered bytes and the last chunk of the stream, masked. */
  finish(chunk: Buffer): Buffer {
    return this.#mask(chunk, (bytes) => bytes.length);
  }

  /** `findSafeEnd` returns the number of bytes that can be written now. The bytes after them are buffered. */
  #mask(chunk: Buffer, findSafeEnd: (bytes: Buffer) => number): Buffer {
    const bytes = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    const until = findSafeEnd(bytes);
    const spans = this.#spans(bytes);
    if (spans.length === 0 && until === bytes.length) {
      this.#buffered = noBytes;
      return bytes;
    }
    const output: Buffer[] = [];
    let at = 0;
    let covered = Math.max(0, this.#covered - until);
    for (const { start, end } of spans) {
      if (start >= until) break;
      output.push(bytes.subarray(at, start));
      if (start > 0 || this.#covered === 0) output.push(stars);
      at = Math.min(end, until);
      covered = end - at;
    }
    output.push(bytes.subarray(at, until));
    // Copy the rest, because the caller may reuse the chunk.
    this.#buffered = Buffer.from(bytes.subarray(until));
    this.#covered = covered;
    return Buffer.concat(output);
  }

  /** Returns the start of the longest incomplete secret at the end of the bytes. */
  #safeEnd(bytes: Buffer): number {
    return Math.min(...this.#secrets.map((secret) => partialMatchStart(bytes, secret)));
  }

  /** Returns the positions of secrets, in order. Merges overlapping ones. */
  #spans(bytes: Buffer): readonly Span[] {
    const spans = this.#secrets.flatMap((secret) => occurrences(bytes, secret));
    if (this.#covered > 0) spans.push({ start: 0, end: this.#covered });
    if (spans.length < 2) return spans;
    spans.sort((a, b) => a.start - b.start || b.end - a.end);
    const merged: Span[] = [];
    for (const { start, end } of spans) {
      const previous = merged.at(-1);
      if (previous !== undefined && start < previous.end)
        merged[merged.length - 1] = { start: previous.start, end: Math.max(previous.end, end) };
      else merged.push({ start, end });
    }
    return merged;
  }
}

function occurrences(bytes: Buffer, secret: Buffer): Span[] {
  const spans: Span[] = [];
  for (let start = bytes.indexOf(secret); start !== -1; start = bytes.indexOf(secret, start + 1))
    spans.push({ start, end: start + secret.length });
  return spans;
}

function partialMatchStart(bytes: Buffer, secret: Buffer): number {
  const first = secret[0]!;
  const { length } = bytes;
  for (
    let at = bytes.indexOf(first, Math.max(0, length - secret.length + 1));
    at !== -1;
    at = bytes.indexOf(first, at + 1)
  ) {
    if (secret.compare(bytes, at, length, 0, length - at) === 0) return at;
  }
  return length;
}
