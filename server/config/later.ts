// Keys of the design that this version does not have. People who read about them shall not be told they cannot spell.

/** By the path of the section that holds them; `*` is any key. */
export const laterKeys: Readonly<Record<string, readonly string[]>> = {
  '': ['auth', 'doors', 'cluster', 'session_secret'],
  'calls.*': ['pipeline'],
};

export function isLater(section: readonly (string | number)[], key: string): boolean {
  const pattern = section[0] === 'calls' && section.length === 2 ? 'calls.*' : section.join('.');
  return Object.hasOwn(laterKeys, pattern) && laterKeys[pattern]!.includes(key);
}
