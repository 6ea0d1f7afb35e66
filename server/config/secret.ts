// The value of a secret, from where the configuration says it is.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { quote } from '../../calls/contract/quote.ts';
import type { SecretSource } from './config.ts';

/** Whoever has larger ones means something else. */
const charsMax = 64 << 10;

/**
 * Read anew each time, so that a secret may be changed while the gateway runs. One line end at the end of a file is not part of it. Throws an Error, for the operator to
 * read, when there is nothing.
 */
export function readSecret(source: SecretSource, environment: Readonly<Record<string, string | undefined>>): string {
  return 'file' in source ? fromFile(source.file) : fromVariable(source.variable, environment);
}

function fromVariable(name: string, environment: Readonly<Record<string, string | undefined>>): string {
  const value = environment[name] ?? '';
  if (value === '') throw new Error(`the variable ${quote(name)} is not set, or is empty`);
  return value;
}

function fromFile(file: string): string {
  const text = readText(file).replace(/\r?\n$/, '');
  if (text === '') throw new Error(`the file ${quote(basename(file))} is empty`);
  if (text.length > charsMax) throw new Error(`the file ${quote(basename(file))} is larger than ${charsMax} characters`);
  return text;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`the file ${quote(basename(file))} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`, { cause: error });
  }
}
