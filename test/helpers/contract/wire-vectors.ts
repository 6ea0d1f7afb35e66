// Reads test/vectors/*.json (see test/vectors/README.md), and encodes what a case sends.

import { readFileSync } from 'node:fs';
import { encodeClose, encodeFrame, type Opcode } from '../websocket/raw-frames.ts';

export interface Vectors {
  readonly limits: Readonly<Record<string, number>>;
  readonly calls: Readonly<Record<string, { readonly module?: true; readonly [key: string]: unknown }>>;
  readonly cases: readonly Case[];
}

export interface Case {
  readonly name: string;
  readonly situation: string;
  readonly each?: readonly Sent[];
  readonly steps: readonly VectorStep[];
  readonly close: { readonly code: number | null; readonly withinMs?: number };
}

/** Returns the title of the test of a case. `at` is the index in the values of `each`. */
export function caseTitle({ situation, name, each }: Case, at: number): string {
  return `${situation}: ${name}${each === undefined ? '' : `, ${at + 1} of ${each.length}`}`;
}

export type VectorStep =
  | { readonly send: Sent | 'each'; readonly times?: number }
  | { readonly packet: readonly Sent[] }
  | { readonly server: 'stop' }
  | { readonly expect: Expected; readonly times?: number; readonly afterMs?: number; readonly withinMs?: number };

interface FrameToSend {
  readonly opcode: Opcode;
  readonly fin?: boolean;
  readonly text?: string;
  readonly hex?: string;
  readonly times?: number;
}

export type Sent =
  | { readonly text: string; readonly times?: number }
  | { readonly textHex: string }
  | { readonly json: unknown }
  | { readonly binary: string; readonly times?: number }
  | { readonly binaryHex: string }
  | { readonly frames: readonly FrameToSend[]; readonly bytewise?: true }
  | { readonly rawHex: string }
  | { readonly close: number | null };

export type ExpectedResult =
  | { readonly success: boolean; readonly message?: string | { readonly contains: string } | { readonly any: true } }
  | { readonly status: 'fulfilled'; readonly value: unknown }
  | { readonly status: 'rejected'; readonly reason: string | { readonly contains: string } };

export type Expected =
  | { readonly text: string; readonly times?: number }
  | { readonly output: string; readonly times?: number }
  | { readonly result: ExpectedResult }
  | { readonly pong: string }
  | { readonly close: number };

export function readVectors(name: 'v1.json'): Vectors & { readonly endpoint: string };
export function readVectors(
  name: 'pow-1.json',
): Vectors & { readonly endpoints: readonly string[]; readonly subprotocol: string };
export function readVectors(name: string): Vectors {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8')) as Vectors;
}

/** Returns the configuration with the calls and limits of the vectors. */
export function buildConfiguration({ calls, limits }: Vectors, module: string): string {
  const declared = Object.fromEntries(Object.entries(calls).filter(([, call]) => call.module === undefined));
  return [
    `calls: ${JSON.stringify(declared)}\nlimits: ${JSON.stringify(limits)}\nmodules: `,
    `[${JSON.stringify(module)}]\n`,
  ].join('');
}

/** Returns the message for a library that builds frames itself. Returns undefined if no library can send it. */
export function messageToSend(
  sent: Sent,
): { readonly data: string | Buffer } | { readonly close: number | null } | undefined {
  if ('close' in sent) return sent;
  if ('text' in sent) return { data: sent.text.repeat(sent.times ?? 1) };
  if ('json' in sent) return { data: Buffer.from(JSON.stringify(written(sent.json))) };
  if ('binary' in sent) return { data: Buffer.from(sent.binary.repeat(sent.times ?? 1)) };
  if ('binaryHex' in sent) return { data: Buffer.from(sent.binaryHex, 'hex') };
  return undefined;
}

export function encodeSent(sent: Sent): Buffer {
  if ('rawHex' in sent) return Buffer.from(sent.rawHex, 'hex');
  if ('textHex' in sent) return encodeFrame('text', Buffer.from(sent.textHex, 'hex'));
  if ('frames' in sent) return Buffer.concat(sent.frames.map(encodeFrameToSend));
  const message = messageToSend(sent);
  if (message === undefined) throw new Error(`unknown kind of message: ${JSON.stringify(sent)}`);
  if ('close' in message) return encodeClose(message.close ?? undefined);
  return encodeFrame(typeof message.data === 'string' ? 'text' : 'binary', message.data);
}

function encodeFrameToSend({ opcode, fin = true, text = '', hex, times = 1 }: FrameToSend): Buffer {
  return encodeFrame(opcode, hex === undefined ? text.repeat(times) : Buffer.from(hex, 'hex'), { fin });
}

/** Expands every `{"repeat": …, "times": …}`. */
function written(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== 'object' || value === null) return value;
  if ('repeat' in value && 'times' in value) return String(value.repeat).repeat(Number(value.times));
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, written(held)]));
}
