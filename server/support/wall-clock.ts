// The wall clock, for times that are only shown: it may be set at any moment. Use `performance.now()` or `machineTime`
// for durations and deadlines.

/** Returns milliseconds since 1970. */
export function wallClockMs(): number {
  return Date.now();
}

/** Returns the milliseconds since `label` (RFC 3339) by the clock of this machine; 0 for a time in the future. */
export function labelAgeMs(label: string): number {
  return Math.max(0, wallClockMs() - Date.parse(label));
}
