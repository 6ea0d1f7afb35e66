// Keys of the design that this version does not have. People who read about them shall not be told they cannot spell.

/** By the path of the section that holds them. */
export const laterKeys: Readonly<Record<string, readonly string[]>> = {
  '': ['auth', 'cluster', 'session_secret'],
  doors: ['pulsar', 'jobrunner', 'nanoping'],
};

export function isLater(section: readonly (string | number)[], key: string): boolean {
  const pattern = section.join('.');
  return Object.hasOwn(laterKeys, pattern) && laterKeys[pattern]!.includes(key);
}
