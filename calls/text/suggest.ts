// Suggests the known word that a misspelled one probably meant.

import { distance } from 'fastest-levenshtein';

/** Longer words get no suggestion. A comparison costs the product of both lengths, and any client can send a name. */
const wordLengthMax = 100;

/**
 * Returns the closest of `known`, or undefined if none is close. A word is close if it differs in one letter, or in at
 * most (n + 1) / 3 letters when the longer word has n. Two swapped letters count as two.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > wordLengthMax) return undefined;
  let closest: { readonly name: string; readonly editDistance: number } | undefined;
  for (const name of known) {
    const editDistance = distance(word.toLowerCase(), name.toLowerCase());
    if (isClose(editDistance, word, name) && (closest === undefined || editDistance < closest.editDistance))
      closest = { name, editDistance };
  }
  return closest?.name;
}

/** Returns `; did you mean "backup"?` or an empty string. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const name = nearest(word, known);
  return name === undefined ? '' : `; did you mean "${name}"?`;
}

function isClose(editDistance: number, word: string, name: string): boolean {
  const longer = Math.max(word.length, name.length);
  return editDistance < word.length && editDistance <= Math.max(1, Math.floor((longer + 1) / 3));
}
