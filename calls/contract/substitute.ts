// `${name}` in one argument becomes the value of a param. The result stays one argument, and is not looked at again:
// what a param contains (spaces, quotes, `$(…)`, another `${…}`) means nothing here.

/** What `${…}` a text holds. `$${` is not one: it stands for a literal `${`. */
export interface Placeholder {
  /** As written, e.g. `${who}`. */
  readonly text: string;
  /** Absent when this cannot name a param: `${}`, `${x:-y}`, or no closing brace. */
  readonly name?: string;
}

export const paramNamePattern = '[A-Za-z_][A-Za-z0-9_-]*';

const paramName = new RegExp(`^${paramNamePattern}$`);
const marks = /\$\$\{|\$\{([^}]*)(\}?)/g;

/** Every placeholder of `template`, in order. */
export function placeholders(template: string): readonly Placeholder[] {
  return [...template.matchAll(marks)].filter(([text]) => text !== '$${').map(([text, name = '', brace]) =>
    brace === '}' && paramName.test(name) ? { text, name } : { text });
}

/**
 * `template` with its placeholders replaced, in one pass from left to right.
 * Throws when a placeholder names no member of `params`: configuration has refused such templates before.
 */
export function substitute(template: string, params: Readonly<Record<string, string>>): string {
  return template.replace(marks, (text: string, name: string) => {
    if (text === '$${') return '${';
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined) throw new Error(`${text} names no parameter of this call`);
    return value;
  });
}

/** `substitute` for each argument; as many come out as went in. */
export function substituteAll(templates: readonly string[], params: Readonly<Record<string, string>>): string[] {
  return templates.map((template) => substitute(template, params));
}

/** `substitute` for each value; names of variables are never templates. */
export function substituteValues(
  templates: Readonly<Record<string, string>>,
  params: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(templates).map(([name, template]) => [name, substitute(template, params)]));
}
