// The inner loop of the line path, in WebAssembly with SIMD: finds the lines of a region and frames them in one pass, 16 bytes at a time.

import { assemble } from './assembler.ts';

/** The most a pass takes. */
export const kernelBytesMax = 256 << 10;

/**
 * In the memory stand: what is told of a pass, the bytes that come in, their frames. Behind the latter two there is room for vectors that reach
 * beyond the end. Frames are at most twice as long as the lines they are of: an empty line becomes two bytes, longer ones grow by less.
 */
const slack = 64;
const inputAt = slack;
const framesAt = inputAt + kernelBytesMax + slack;
const memoryBytes = framesAt + 2 * kernelBytesMax + slack;

/** (from, end, to): frames what is in [from, end) and puts it at `to`; gives the end of the frames. Tells what is in `told`. */
const frame = {
  params: ['from', 'end', 'to'],
  locals: { at: 'i32', put: 'i32', head: 'i32', need: 'i32', length: 'i32', lines: 'i32', bits: 'i32', bytes: 'v128', seen: 'v128', newlines: 'v128' },
  body: `
    i32.const 10  i8x16.splat  local.set newlines
    i32.const 2  local.set head
    ;; A newline behind the end stops every search.
    local.get end  i32.const 10  i32.store8
    block done
      loop line
        local.get from  local.set at
        ;; The header comes before the length is known: it is taken to be as long as that of the line before.
        local.get to  local.get head  i32.add  local.set put
        loop vector
          local.get put
          local.get at  v128.load  local.tee bytes
          v128.store
          local.get seen  local.get bytes  v128.or  local.set seen
          local.get put  i32.const 16  i32.add  local.set put
          local.get at  i32.const 16  i32.add  local.set at
          local.get bytes  local.get newlines  i8x16.eq  i8x16.bitmask  local.tee bits
          i32.eqz  br_if vector
        end
        local.get at  i32.const 16  i32.sub  local.get bits  i32.ctz  i32.add  local.tee at
        local.get end  i32.eq  br_if done
        ;; Without the newline, and without one carriage return before it.
        local.get at  local.get from  i32.sub  local.tee length
        if filled
          local.get length
          local.get at  i32.const 1  i32.sub  i32.load8_u  i32.const 13  i32.eq
          i32.sub  local.set length
        end
        i32.const 2  i32.const 4  local.get length  i32.const 126  i32.lt_u  select
        i32.const 10  local.get length  i32.const 65536  i32.lt_u  select  local.tee need
        local.get head  i32.ne
        if moved
          local.get to  local.get need  i32.add  local.get to  local.get head  i32.add  local.get length  memory.copy
          local.get need  i32.const 4  local.get need  i32.const 4  i32.lt_u  select  local.set head
        end
        ;; 0x81: the whole of a text message.
        block framed
          local.get need  i32.const 2  i32.eq
          if short
            local.get to  local.get length  i32.const 8  i32.shl  i32.const 0x81  i32.or  i32.store16
            br framed
          end
          local.get need  i32.const 4  i32.eq
          if medium
            local.get to
            local.get length  i32.const 8  i32.shr_u  i32.const 16  i32.shl
            local.get length  i32.const 24  i32.shl  i32.or
            i32.const 0x7e81  i32.or
            i32.store
            br framed
          end
          local.get to  i32.const 0x7f81  i32.store
          local.get to  i32.const 4  i32.add  i32.const 0  i32.store16
          local.get to  i32.const 6  i32.add
          local.get length  i32.const 24  i32.shr_u
          local.get length  i32.const 8  i32.shr_u  i32.const 0xff00  i32.and  i32.or
          local.get length  i32.const 8  i32.shl  i32.const 0xff0000  i32.and  i32.or
          local.get length  i32.const 24  i32.shl  i32.or
          i32.store
        end
        local.get to  local.get need  i32.add  local.get length  i32.add  local.set to
        local.get at  i32.const 1  i32.add  local.set from
        local.get lines  i32.const 1  i32.add  local.set lines
        br line
      end
    end
    i32.const 0  local.get lines  i32.store
    i32.const 4  local.get seen  i8x16.bitmask  i32.store
    local.get to`,
} as const;

const memory = new WebAssembly.Memory({ initial: Math.ceil(memoryBytes / 0x10000) });
const bytes = new Uint8Array(memory.buffer);
/** Lines, and whether there were bytes from 0x80. */
const told = new Uint32Array(memory.buffer, 0, 2);
const run = instantiate();

/** What is in the memory of the kernel now: the last region, and its frames. */
export interface Pass {
  readonly lines: number;
  readonly input: Uint8Array;
  readonly frames: Uint8Array;
  /** False: all bytes are below 0x80. True: some are not, or may not be. */
  readonly beyondAscii: boolean;
}

/** Of whole lines, in pieces that stand behind one another; at most `kernelBytesMax` bytes. What it gives holds until the next pass. */
export function pass(pieces: readonly Uint8Array[]): Pass {
  let end = inputAt;
  for (const piece of pieces) {
    bytes.set(piece, end);
    end += piece.length;
  }
  const framesEnd = run(inputAt, end, framesAt);
  return { lines: told[0]!, beyondAscii: told[1] !== 0, input: bytes.subarray(inputAt, end), frames: bytes.subarray(framesAt, framesEnd) };
}

function instantiate(): (from: number, end: number, to: number) => number {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble('frame', frame)), { env: { memory } });
  return exports['frame'] as (from: number, end: number, to: number) => number;
}
