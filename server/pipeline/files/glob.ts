// Globs as expressions that take time in proportion to the text, whoever wrote them.

/** `docker`: as .dockerignore has it. `usual`: `{a,b}` is either, and `**` without a slash after it fits everything. */
export type Dialect = 'docker' | 'usual';

/**
 * The source of an expression for `compileExpression` that fits a whole path, which is relative, with slashes. `*` and `?` fit no slash; `**` fits any number of folders, and at
 * the end everything. A name that begins with a dot is like any other.
 */
export function globExpression(glob: string, dialect: Dialect): string {
  const reader = new Reader(glob);
  let source = '';
  let depth = 0;
  for (let char = reader.next(); char !== undefined; char = reader.next()) {
    if (char === '*') source += stars(reader, dialect);
    else if (char === '?') source += '[^/]';
    else if (char === '[') source += brackets(reader);
    else if (char === '\\') source += literal(reader.next() ?? '\\');
    else if (dialect === 'usual' && char === '{' && reader.has('}')) {
      depth++;
      source += '(?:';
    } else if (depth > 0 && char === '}') {
      depth--;
      source += ')';
    } else if (depth > 0 && char === ',') source += '|';
    else source += literal(char);
  }
  return `^(?s:${source}${')'.repeat(depth)})$`;
}

/** True when it fits more than one path. */
export function isGlob(text: string): boolean {
  return /[*?[{\\]/.test(text);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  next(): string | undefined {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) return undefined;
    const char = String.fromCodePoint(point);
    this.#at += char.length;
    return char;
  }

  /** Passes over it when it comes next. */
  take(char: string): boolean {
    const comes = this.#text.startsWith(char, this.#at);
    if (comes) this.#at += char.length;
    return comes;
  }

  /** True when it is still to come. */
  has(char: string): boolean {
    return this.#text.includes(char, this.#at);
  }

  get over(): boolean {
    return this.#at >= this.#text.length;
  }
}

function stars(reader: Reader, dialect: Dialect): string {
  if (!reader.take('*')) return '[^/]*';
  while (reader.take('*')) continue;
  const slash = reader.take('/');
  if (reader.over) return '.*';
  return slash || dialect === 'docker' ? '(?:.*/)?' : '.*';
}

/** A set of characters; a bracket that is never closed stands for itself. */
function brackets(reader: Reader): string {
  if (!reader.has(']')) return literal('[');
  const not = reader.take('!') || reader.take('^') ? '^/' : '';
  let set = '';
  for (let char = reader.next(); char !== undefined && (char !== ']' || set === ''); char = reader.next()) {
    set += char === '\\' ? literal(reader.next() ?? '\\') : char === '-' ? '-' : literal(char);
  }
  return `[${not}${set}]`;
}

function literal(char: string): string {
  return /[\w\s/]/.test(char) || char.charCodeAt(0) > 127 ? char : `\\${char}`;
}
