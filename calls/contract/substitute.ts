// Replaces `${name}` in an argument with the value of a param. The result stays one argument and is not scanned again,
// so spaces, quotes, `$(…)` or `${…}` in a value have no meaning.

/** A `${…}` in a template. `$${` is not a placeholder but stands for a literal `${`. */
export interface Placeholder {
  /** The placeholder as written, e.g. `${who}`. */
  readonly text: string;
  /** Name of the param. Absent if the placeholder cannot name a param: `${}`, `${x:-y}`, or no closing brace. */
  readonly name?: string;
}

export const paramNamePattern = '[A-Za-z_][A-Za-z0-9_-]*';

const paramName = new RegExp(`^${paramNamePattern}$`);
const placeholderPattern = /\$\$\{|\$\{([^}]*)(\}?)/g;

/** Returns every placeholder of `template` in order. */
export function placeholders(template: string): readonly Placeholder[] {
  return [...template.matchAll(placeholderPattern)]
    .filter(([text]) => text !== '$${')
    .map(([text, name = '', brace]) => (brace === '}' && paramName.test(name) ? { text, name } : { text }));
}

/**
 * Replaces the placeholders of `template` in one pass from left to right. Throws if one names no member of `params`;
 * the configuration rejects such templates earlier.
 */
export function substitute(template: string, params: Readonly<Record<string, string>>): string {
  return template.replace(placeholderPattern, (text: string, name: string) => {
    if (text === '$${') return '${';
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined) throw new Error(`${text} names no parameter of this call`);
    return value;
  });
}

/** Applies `substitute` to each argument; the number of arguments stays the same. */
export function substituteAll(templates: readonly string[], params: Readonly<Record<string, string>>): string[] {
  return templates.map((template) => substitute(template, params));
}

/** Applies `substitute` to each value; variable names are never templates. */
export function substituteValues(
  templates: Readonly<Record<string, string>>,
  params: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(templates).map(([name, template]) => [name, substitute(template, params)]));
}
