// Parses options that are numbers.

import { InvalidArgumentError } from 'commander';

/** Parses a whole number of 0 or more. Commander prints the error. */
export function parseWholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, 0 or more.');
}
