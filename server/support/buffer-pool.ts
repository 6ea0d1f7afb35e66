// Pool of reused output buffers, so that bulk output creates no garbage (docs/decisions/0011).

/** A size of buffers, and how many idle ones are kept. */
interface BlockSize {
  readonly blockBytes: number;
  readonly idleMax: number;
}

/**
 * Sizes of the blocks, smallest first.
 *
 * The first one is for live output. It holds a chunk of 64 KiB, the bytes carried over before it, and the headers of
 * its lines, unless the lines are very short. 256 blocks are 20 MiB. A run whose disk is `pendingWriteBytesMax` behind
 * holds about that much and releases it at once.
 *
 * The second one is for stored output: a page of 256 KiB, or the frames of its lines. 16 blocks are 5 MiB, enough for
 * as many pages as are read at once.
 */
const blockSizes: readonly BlockSize[] = [
  { blockBytes: 80 << 10, idleMax: 256 },
  { blockBytes: 320 << 10, idleMax: 16 },
];
/** Minimum size of pooled buffers. Smaller ones are allocated directly. */
const pooledBytesMin = 8 << 10;
/** Time after which idle blocks are freed. */
const shrinkAfterMs = 5_000;

/** The idle blocks of one size. */
class BlockPool {
  readonly blockBytes: number;
  readonly #idleMax: number;
  readonly #idle: Buffer[] = [];
  /** Number of blocks that have been idle since `markIdle`. */
  #idleSince = 0;

  constructor({ blockBytes, idleMax }: BlockSize) {
    this.blockBytes = blockBytes;
    this.#idleMax = idleMax;
  }

  take(): Buffer {
    const block = this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.blockBytes);
    this.#idleSince = Math.min(this.#idleSince, this.#idle.length);
    return block;
  }

  giveBack(block: Buffer): void {
    if (this.#idle.length < this.#idleMax) this.#idle.push(block);
  }

  markIdle(): void {
    this.#idleSince = this.#idle.length;
  }

  /** Frees the blocks that have been idle since `markIdle`. */
  shrink(): void {
    this.#idle.splice(0, this.#idleSince);
  }

  get isEmpty(): boolean {
    return this.#idle.length === 0;
  }
}

const pools = blockSizes.map((size) => new BlockPool(size));

interface Acquired {
  readonly pool: BlockPool;
  readonly block: Buffer;
}

/** Blocks by the buffer that uses them. Only that buffer returns its block. */
const acquired = new WeakMap<Uint8Array, Acquired>();
let timer: NodeJS.Timeout | undefined;

/** Returns uninitialized memory of this length. The garbage collector frees memory that is never released. */
export function acquireBuffer(bytes: number): Buffer {
  const pool = bytes < pooledBytesMin ? undefined : pools.find(({ blockBytes }) => bytes <= blockBytes);
  if (pool === undefined) return Buffer.allocUnsafeSlow(bytes);
  const block = pool.take();
  const part = block.subarray(0, bytes);
  acquired.set(part, { pool, block });
  return part;
}

/**
 * Returns a buffer to the pool; the caller must not use it afterwards. Idempotent. Ignores buffers that were not
 * acquired, and parts of acquired ones.
 */
export function releaseBuffer(part: Uint8Array): void {
  const found = acquired.get(part);
  if (found === undefined) return;
  acquired.delete(part);
  found.pool.giveBack(found.block);
  if (timer === undefined) shrinkLater();
}

function shrinkLater(): void {
  for (const pool of pools) pool.markIdle();
  timer = setTimeout(() => {
    timer = undefined;
    for (const pool of pools) pool.shrink();
    if (pools.some((pool) => !pool.isEmpty)) shrinkLater();
  }, shrinkAfterMs).unref();
}
