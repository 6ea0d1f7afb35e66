// Compiles globs to regular expressions that run in linear time.

/**
 * `docker` follows the rules of .dockerignore. In `usual`, `{a,b}` matches either part, and `**` without a slash after
 * it matches everything.
 */
export type GlobDialect = 'docker' | 'usual';

/**
 * Returns the source of a regular expression for `compileLinearRegExp`. The expression matches a whole relative path
 * with slashes. `*` and `?` do not match a slash. `**` matches any number of folders, and at the end of the glob
 * everything. Names that start with a dot are not special.
 */
export function globExpression(glob: string, dialect: GlobDialect): string {
  const reader = new GlobReader(glob);
  let source = '';
  let depth = 0;
  for (let char = reader.next(); char !== undefined; char = reader.next()) {
    if (char === '*') source += starsSource(reader, dialect);
    else if (char === '?') source += '[^/]';
    else if (char === '[') source += characterSetSource(reader);
    else if (char === '\\') source += literalSource(reader.next() ?? '\\');
    else if (dialect === 'usual' && char === '{' && reader.has('}')) {
      depth++;
      source += '(?:';
    } else if (depth > 0 && char === '}') {
      depth--;
      source += ')';
    } else if (depth > 0 && char === ',') source += '|';
    else source += literalSource(char);
  }
  return `^(?s:${source}${')'.repeat(depth)})$`;
}

/** True if the text has a character with a special meaning in globs. */
export function isGlob(text: string): boolean {
  return /[*?[{\\]/.test(text);
}

class GlobReader {
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

  /** Consumes `char` if it comes next. */
  take(char: string): boolean {
    const comes = this.#text.startsWith(char, this.#at);
    if (comes) this.#at += char.length;
    return comes;
  }

  /** True if `char` occurs in the rest of the glob. */
  has(char: string): boolean {
    return this.#text.includes(char, this.#at);
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }
}

function starsSource(reader: GlobReader, dialect: GlobDialect): string {
  if (!reader.take('*')) return '[^/]*';
  while (reader.take('*'));
  const slash = reader.take('/');
  if (reader.atEnd) return '.*';
  return slash || dialect === 'docker' ? '(?:.*/)?' : '.*';
}

/** Parses a character set. A bracket without a closing bracket is a literal bracket. */
function characterSetSource(reader: GlobReader): string {
  if (!reader.has(']')) return literalSource('[');
  const not = reader.take('!') || reader.take('^') ? '^/' : '';
  let set = '';
  for (let char = reader.next(); char !== undefined && (char !== ']' || set === ''); char = reader.next()) {
    set += char === '\\' ? literalSource(reader.next() ?? '\\') : char === '-' ? '-' : literalSource(char);
  }
  return `[${not}${set}]`;
}

function literalSource(char: string): string {
  return /[\w\s/]/.test(char) || char.charCodeAt(0) > 127 ? char : `\\${char}`;
}
