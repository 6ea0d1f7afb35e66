// The wall clock. Somebody may set it at any moment, so use it only for times that are shown. For durations and
// deadlines, use `performance.now()` or `machineTime`.

/** Returns milliseconds since 1970. */
export function wallClockMs(): number {
  return Date.now();
}

/** Returns the milliseconds since `label` (RFC 3339) by the clock of this machine; 0 for a time in the future. */
export function labelAgeMs(label: string): number {
  return Math.max(0, wallClockMs() - Date.parse(label));
}
