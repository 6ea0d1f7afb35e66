// Reads the value of a secret from its file or variable.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { quote } from '../../calls/text/quote.ts';
import type { SecretSource } from './config.ts';

/** Maximum size of a secret. A larger file is not a secret. */
const charsMax = 64 << 10;

/**
 * Returns the value of a secret, without its last line terminator. Reads the source each time, so that a secret can
 * change while the gateway runs. Throws an Error for the operator when there is no value.
 */
export function readSecret(source: SecretSource, environment: Readonly<Record<string, string | undefined>>): string {
  return 'file' in source ? readSecretFile(source.file) : readVariable(source.variable, environment);
}

function readVariable(name: string, environment: Readonly<Record<string, string | undefined>>): string {
  const value = environment[name] ?? '';
  if (value === '') throw new Error(`the variable ${quote(name)} is empty or not set`);
  return value;
}

function readSecretFile(file: string): string {
  const text = readText(file).replace(/\r?\n$/, '');
  if (text === '') throw new Error(`the file ${quote(basename(file))} is empty`);
  if (text.length > charsMax)
    throw new Error(`the file ${quote(basename(file))} is larger than ${charsMax} characters`);
  return text;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(
      `the file ${quote(basename(file))} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`,
      { cause: error },
    );
  }
}
