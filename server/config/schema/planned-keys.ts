// Keys that are planned but not available yet. Their diagnostic says so instead of "unknown key".

/** Planned keys by the path of the section that will contain them. */
export const plannedKeys: Readonly<Record<string, readonly string[]>> = {
  '': ['auth', 'cluster', 'session_secret'],
  compat: ['pulsar', 'jobrunner', 'nanoping'],
};

export function isPlannedKey(section: readonly (string | number)[], key: string): boolean {
  const pattern = section.join('.');
  return Object.hasOwn(plannedKeys, pattern) && plannedKeys[pattern]!.includes(key);
}
