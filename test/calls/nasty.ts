// Values that have broken programs before.

/** What callers send who hope for a shell, and the like. */
export const nastyValues = [
  'two words', '  spaced  ', '"double"', "it's", '`id`', '$(touch pwned)', '${other}', '$${other}', '$1', '$&', "$'", '$$', '-rf', '--help', '*', '; ls',
  'a\nb', '\t', '', '\\', '{}', '%s', 'ünïcode ☃ 🎉', '${', '}',
] as const;
