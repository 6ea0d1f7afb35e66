// The answer of a check: accepted, or refused with a text for the one who asked.

export type Checked = { readonly accepted: true } | { readonly refused: string };

export const accepted: Checked = { accepted: true };
