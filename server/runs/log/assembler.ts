// Turns the text of one WebAssembly function into a module: just the instructions that the line kernel needs, in the words of the standard
// (https://webassembly.github.io/spec/core/), one after another, without nested brackets.

type Operand = 'none' | 'local' | 'label' | 'integer' | 'address' | 'block';

interface Instruction {
  readonly code: readonly number[];
  readonly operand: Operand;
}

const plain = (...code: number[]): Instruction => ({ code, operand: 'none' });
const address = (...code: number[]): Instruction => ({ code, operand: 'address' });
const simd = (code: number, operand: Operand = 'none'): Instruction => ({ code: [0xfd, ...unsigned(code)], operand });

const instructions: Readonly<Record<string, Instruction>> = {
  block: { code: [0x02, 0x40], operand: 'block' }, loop: { code: [0x03, 0x40], operand: 'block' }, if: { code: [0x04, 0x40], operand: 'block' },
  end: plain(0x0b), br: { code: [0x0c], operand: 'label' }, 'br_if': { code: [0x0d], operand: 'label' }, select: plain(0x1b),
  'local.get': { code: [0x20], operand: 'local' }, 'local.set': { code: [0x21], operand: 'local' }, 'local.tee': { code: [0x22], operand: 'local' },
  'i32.const': { code: [0x41], operand: 'integer' }, 'i32.eqz': plain(0x45), 'i32.eq': plain(0x46), 'i32.ne': plain(0x47), 'i32.lt_u': plain(0x49),
  'i32.ctz': plain(0x68), 'i32.add': plain(0x6a), 'i32.sub': plain(0x6b), 'i32.and': plain(0x71), 'i32.or': plain(0x72), 'i32.shl': plain(0x74), 'i32.shr_u': plain(0x76),
  'i32.load8_u': address(0x2d), 'i32.store': address(0x36), 'i32.store8': address(0x3a), 'i32.store16': address(0x3b),
  'memory.copy': plain(0xfc, 0x0a, 0x00, 0x00),
  'v128.load': simd(0, 'address'), 'v128.store': simd(11, 'address'), 'v128.or': simd(80), 'i8x16.splat': simd(15), 'i8x16.eq': simd(35), 'i8x16.bitmask': simd(100),
};

const types = { i32: 0x7f, v128: 0x7b } as const;

export interface FunctionText {
  /** All of type i32; the result is too. */
  readonly params: readonly string[];
  readonly locals: Readonly<Record<string, keyof typeof types>>;
  /** Words apart by white space; from `;;` to the end of a line is a comment. */
  readonly body: string;
}

/** The bytes of a module that imports `env.memory` and exports the function under `name`. Throws on a word it does not know. */
export function assemble(name: string, { params, locals, body }: FunctionText): Uint8Array<ArrayBuffer> {
  const kinds = Object.values(locals).flatMap((type) => [1, types[type]]);
  const code = [...unsigned(kinds.length / 2), ...kinds, ...encode(body, [...params, ...Object.keys(locals)])];
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, params.length, ...params.map(() => types.i32), 1, types.i32]),
    ...section(2, [1, ...text('env'), ...text('memory'), 2, 0, 0]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text(name), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

function encode(body: string, locals: readonly string[]): number[] {
  const words = body.replace(/;;.*/g, '').split(/\s+/).filter((word) => word !== '');
  const open: string[] = [];
  const code: number[] = [];
  for (let i = 0; i < words.length; i++) {
    const instruction = instructions[words[i]!];
    if (instruction === undefined) throw new Error(`no such instruction: ${words[i]}`);
    code.push(...instruction.code);
    if (words[i] === 'end') open.pop();
    switch (instruction.operand) {
      case 'none': break;
      case 'block': open.push(words[++i]!); break;
      case 'label': code.push(...unsigned(open.length - 1 - known(open, words[++i]!))); break;
      case 'local': code.push(...unsigned(known(locals, words[++i]!))); break;
      case 'integer': code.push(...signed(Number(words[++i]))); break;
      // Alignment and offset.
      case 'address': code.push(0, 0); break;
      default: instruction.operand satisfies never;
    }
  }
  return [...code, 0x0b];
}

function known(names: readonly string[], name: string): number {
  const at = names.lastIndexOf(name);
  if (at === -1) throw new Error(`no such name: ${name}`);
  return at;
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function text(word: string): number[] {
  return [word.length, ...Array.from(word, (letter) => letter.charCodeAt(0))];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const rest = value >> 7;
  const last = (rest === 0 && (value & 0x40) === 0) || (rest === -1 && (value & 0x40) !== 0);
  return last ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(rest)];
}
