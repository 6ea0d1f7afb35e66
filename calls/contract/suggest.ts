// The known word that somebody probably meant.

import { distance } from 'fastest-levenshtein';

/** Comparing costs the product of the lengths, and names come from the wire. */
const wordLengthMax = 100;

/** The nearest of `known`, when it is near enough that saying it helps: about a third of the letters differ at most, of five two, as when two have changed places. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > wordLengthMax) return undefined;
  let best: { readonly name: string; readonly away: number } | undefined;
  for (const name of known) {
    const away = distance(word.toLowerCase(), name.toLowerCase());
    if (isNear(away, word, name) && (best === undefined || away < best.away)) best = { name, away };
  }
  return best?.name;
}

/** `; did you mean "backup"?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const name = nearest(word, known);
  return name === undefined ? '' : `; did you mean "${name}"?`;
}

function isNear(away: number, word: string, name: string): boolean {
  const longer = Math.max(word.length, name.length);
  return away < word.length && away <= Math.max(1, Math.floor((longer + 1) / 3));
}
