// Regular expressions of people we do not know. JavaScript's own may take for ever on a short text; these take time in proportion to it.

import { RE2JS } from 're2js';

export interface Expression {
  /** True when it is found anywhere in `text`. */
  test(text: string): boolean;
}

/** In the syntax of RE2, which is that of Go: no look-around, no back-references. Undefined when it does not compile. */
export function compileExpression(source: string): Expression | undefined {
  try {
    const compiled = RE2JS.compile(source);
    return { test: (text) => compiled.test(text) };
  } catch {
    return undefined;
  }
}
