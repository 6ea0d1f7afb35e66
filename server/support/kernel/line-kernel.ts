// Loads regions of output into the memory of the WebAssembly kernels and counts their lines.

import { countLinesBytes } from './count-lines-bytes.ts';

const newline = 0x0a;

/** Maximum size of a region. */
export const kernelBytesMax = 256 << 10;

/** Spare bytes after a region, because kernels read and write whole vectors. */
const spareBytes = 64;
/** Start of the region. The bytes before it hold a few results. */
const inputAt = spareBytes;
/** Start of the result, which has at most twice as many bytes as the region. */
export const outputAt = inputAt + kernelBytesMax + spareBytes;
const memoryBytes = outputAt + 2 * kernelBytesMax + spareBytes;

const memory = new WebAssembly.Memory({ initial: Math.ceil(memoryBytes / 0x10000) });
export const kernelBytes = new Uint8Array(memory.buffer);

/** The region that the kernel memory contains. */
let loaded: { readonly pieces: readonly Uint8Array[]; readonly end: number } = { pieces: [], end: inputAt };

const count = instantiateKernel(countLinesBytes, 'count');

/** Returns the number of newlines in the consecutive pieces of a region. */
export function countLines(pieces: readonly Uint8Array[]): number {
  if (!fitsKernel(pieces)) return pieces.reduce((sum, piece) => sum + countOneByOne(piece), 0);
  const { start, end } = loadRegion(pieces);
  return count(start, end);
}

function countOneByOne(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) lines++;
  return lines;
}

export function fitsKernel(pieces: readonly Uint8Array[]): boolean {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes <= kernelBytesMax;
}

/**
 * Copies a region of consecutive pieces to the kernel memory and returns its bounds. Skips the copy if the memory
 * contains that region already: lines are framed right after they were counted. Pieces must not change after they were
 * loaded.
 */
export function loadRegion(pieces: readonly Uint8Array[]): { readonly start: number; readonly end: number } {
  if (!isSame(loaded.pieces, pieces)) {
    let end = inputAt;
    for (const piece of pieces) {
      kernelBytes.set(piece, end);
      end += piece.length;
    }
    loaded = { pieces, end };
  }
  return { start: inputAt, end: loaded.end };
}

function isSame(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((piece, i) => piece === b[i]);
}

/** Returns the exported function of a kernel, given its module as base64. */
export function instantiateKernel(base64: string, name: string): (...args: number[]) => number {
  const module = new WebAssembly.Module(Buffer.from(base64, 'base64'));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports[name] as (...args: number[]) => number;
}
