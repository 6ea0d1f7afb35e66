// A wall clock that a test can set while a program runs, by the Debian package libfaketime.

import { writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';

export interface FakeClock {
  /** Environment of the program. Its monotonic clock and its timers stay real. */
  readonly env: Readonly<Record<string, string>>;
  /** Sets the clock relative to the real one, such as `+60d` or `-1h`. Takes effect at once. */
  set(offset: string): Promise<void>;
}

/** Creates a clock that shows the real time. Its file is in `folder`. */
export function createFakeClock(folder: string): FakeClock {
  const file = join(folder, 'clock');
  writeFileSync(file, '+0d');
  return {
    env: {
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
    async set(offset) {
      writeFileSync(`${file}.new`, offset);
      await rename(`${file}.new`, file);
    },
  };
}
