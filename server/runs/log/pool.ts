// Memory for output that is used again and again, so that output in bulk makes nothing that has to be collected (docs/decisions/0011).

/** A chunk of 64 KiB, what was carried over before it, and the headers of its lines, unless they are very short. */
const blockBytes = 80 << 10;
/** What is smaller is not worth a block. */
const worthwhileBytes = 8 << 10;
/** 20 MiB: a run whose disk is `owedBytesMax` behind has about as much, and lets go of it at once. */
const idleMax = 256;
/** Blocks that nobody has wanted for so long are let go. */
const quietMs = 5_000;

const idle: Buffer[] = [];
/** The view that was lent, and nothing else, brings its block back. */
const lent = new WeakMap<Uint8Array, Buffer>();
let timer: NodeJS.Timeout | undefined;
/** Blocks that have lain idle since the timer was set. */
let unwanted = 0;

/** Uninitialized memory of this length. What is never given back is collected like any other. */
export function lend(bytes: number): Buffer {
  if (bytes < worthwhileBytes || bytes > blockBytes) return Buffer.allocUnsafeSlow(bytes);
  const block = idle.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
  unwanted = Math.min(unwanted, idle.length);
  const part = block.subarray(0, bytes);
  lent.set(part, block);
  return part;
}

/** Nobody will look at it again. Safe twice, and for what was not lent, a part of it included: nothing happens then. */
export function giveBack(part: Uint8Array): void {
  const block = lent.get(part);
  if (block === undefined) return;
  lent.delete(part);
  if (idle.length < idleMax) idle.push(block);
  if (timer === undefined) shrinkLater();
}

function shrinkLater(): void {
  unwanted = idle.length;
  timer = setTimeout(() => {
    idle.splice(0, unwanted);
    timer = undefined;
    if (idle.length > 0) shrinkLater();
  }, quietMs).unref();
}
