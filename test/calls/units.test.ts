// Tests how durations, ages and sizes are parsed and formatted.

import { expect } from 'chai';
import { formatDuration, formatSize, parseAge, parseDuration, parseSize, UnitError } from '../../calls/text/units.ts';

describe('durations, ages and sizes', () => {
  const durations: readonly (readonly [unknown, number])[] = [
    ['500ms', 500],
    ['10s', 10_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1.5s', 1_500],
    ['0s', 0],
    [250, 250],
    [0, 0],
    [' 3s ', 3_000],
    ['1d', 86_400_000],
    ['0.5d', 43_200_000],
  ];
  for (const [written, ms] of durations) {
    it(`parseDuration reads ${JSON.stringify(written)} as ${ms} milliseconds`, () =>
      expect(parseDuration(written)).to.equal(ms));
  }

  const sizes: readonly (readonly [unknown, number])[] = [
    ['64k', 65_536],
    ['256m', 268_435_456],
    ['2g', 2_147_483_648],
    ['1.5m', 1_572_864],
    ['64K', 65_536],
    [100, 100],
    [0, 0],
  ];
  for (const [written, bytes] of sizes) {
    it(`parseSize reads ${JSON.stringify(written)} as ${bytes} bytes`, () =>
      expect(parseSize(written)).to.equal(bytes));
  }

  for (const wrong of [
    '',
    '10',
    '10 s',
    '10w',
    '-5s',
    's',
    '1e3s',
    '10S',
    '1m30s',
    -1,
    Number.NaN,
    null,
    undefined,
    true,
    ['1s'],
    { s: 1 },
  ]) {
    it(`parseDuration rejects ${JSON.stringify(wrong) ?? 'undefined'}`, () => {
      expect(() => parseDuration(wrong)).to.throw(
        UnitError,
        /is not a duration; write one such as 500ms, 10s, 5m or 2h/,
      );
    });
  }

  for (const wrong of ['', '10', '64kb', '64 k', '-1k', 'k', -1, null, ['1k']]) {
    it(`parseSize rejects ${JSON.stringify(wrong)}`, () => {
      expect(() => parseSize(wrong)).to.throw(UnitError, /is not a size; write one such as 64k, 256m or 2g/);
    });
  }

  it('a unit error names the invalid value', () => {
    expect(() => parseDuration('10 parsecs')).to.throw('"10 parsecs" is not a duration');
  });

  it('parseDuration rejects a duration that would overflow a timer', () => {
    expect(parseDuration('596h')).to.equal(596 * 3_600_000);
    expect(() => parseDuration('597h')).to.throw(UnitError, 'longer than the longest duration, 596h');
    expect(() => parseDuration(Number.POSITIVE_INFINITY)).to.throw(UnitError, 'Infinity');
  });

  it('parseAge reads ages, and rejects those above Number.MAX_SAFE_INTEGER milliseconds', () => {
    expect([parseAge('30d'), parseAge('1000h'), parseAge(5), parseAge('0s')]).to.deep.equal([
      2_592_000_000, 3_600_000_000, 5, 0,
    ]);
    for (const wrong of ['', '30', 'old', '1w', -1, null])
      expect(() => parseAge(wrong)).to.throw(UnitError, 'is not an age; write one such as 12h or 30d');
    expect(() => parseAge('999999999999999d')).to.throw(UnitError, 'too large');
    expect(parseAge(formatDuration(2_592_000_000))).to.equal(2_592_000_000);
  });

  it('parseSize rejects a size above Number.MAX_SAFE_INTEGER bytes', () => {
    expect(() => parseSize('999999999999999g')).to.throw(UnitError, 'too large');
  });

  it('the parsers return the original value for the text of formatDuration and formatSize', () => {
    for (const ms of [0, 1, 999, 1_000, 1_500, 60_000, 90_000, 600_000, 7_200_000])
      expect(parseDuration(formatDuration(ms))).to.equal(ms);
    for (const bytes of [1_024, 65_536, 1 << 20, 3 << 29]) expect(parseSize(formatSize(bytes))).to.equal(bytes);
    expect([formatDuration(90_000), formatDuration(600_000), formatDuration(250)]).to.deep.equal([
      '90s',
      '10m',
      '250ms',
    ]);
    expect([formatSize(1 << 20), formatSize(512 << 10), formatSize(100), formatSize(0)]).to.deep.equal([
      '1m',
      '512k',
      '100',
      '0',
    ]);
  });
});
