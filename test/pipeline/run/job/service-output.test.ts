// Tests the last lines of a failed service, which the output of its job repeats. Lines that the log already has are
// marked as repeated.

import { expect } from 'chai';
import type { Output } from '../../../../calls/contract/ports.ts';
import { ServiceOutput } from '../../../../server/pipeline/run/job/service-output.ts';

/** Records writes as `stream:part text`, where the part of repeated lines has the prefix `repeats `. */
function recordingOutput(writes: string[], part = ''): Output {
  return {
    full: false,
    write: (stream, chunk) => void writes.push(`${stream}:${part} ${Buffer.from(chunk).toString()}`),
    drained: async () => {},
    end: (stream) => void writes.push(`${stream}:${part} ends`),
    part: (name, { repeated } = {}) => recordingOutput(writes, repeated ? `repeats ${name}` : name),
  };
}

/** Writes the chunks to the output of a service that then fails. Returns what the job receives. */
function failedService(chunks: readonly string[], bytesMax = Infinity): readonly string[] {
  const writes: string[] = [];
  const service = new ServiceOutput(recordingOutput([]), { bytesMax, onExceeded: () => {} });
  for (const chunk of chunks) service.write('stdout', Buffer.from(chunk));
  service.flushTailTo(recordingOutput(writes), 'db');
  return writes;
}

const repeatedWrites = (text: string): readonly string[] => [`stderr:repeats db ${text}`, 'stderr:repeats db ends'];

describe('the last lines of a failed service', () => {
  it('lines that the log has are marked as repeated', () => {
    expect(failedService(['one\n', 'two'])).to.deep.equal(repeatedWrites('one\ntwo\n'));
    expect(failedService([])).to.deep.equal([]);
  });

  it('lines that the log lacks become lines of the job', () => {
    expect(failedService(['one\ntwo\n'], 4)).to.deep.equal([...repeatedWrites('one\n'), 'stderr: two\n']);
    expect(failedService(['one\ntwo\n'], 0)).to.deep.equal(['stderr: one\ntwo\n']);
    expect(failedService(['one\ntwo'], 7)).to.deep.equal(repeatedWrites('one\ntwo\n'));
  });

  it('a line that the log has only in part becomes a line of the job', () => {
    expect(failedService(['one\n', 'two\nthree\n'], 6)).to.deep.equal([
      ...repeatedWrites('one\n'),
      'stderr: two\nthree\n',
    ]);
    expect(failedService(['one\ntwo'], 2)).to.deep.equal(['stderr: one\ntwo\n']);
  });

  it('a job receives only the last 16 KiB of its failed service, without an incomplete first line', () => {
    const line = `${'x'.repeat(99)}\n`;
    const lines = Math.floor((16 << 10) / line.length);
    expect(failedService([line.repeat(500)])).to.deep.equal(repeatedWrites(line.repeat(lines)));
    const [first, , last] = failedService([line.repeat(500)], 49_050);
    expect(first).to.equal(`stderr:repeats db ${line.repeat(lines - 10)}`);
    expect(last).to.equal(`stderr: ${line.repeat(10)}`);
    expect(failedService([line.repeat(500)], 200)).to.deep.equal([`stderr: ${line.repeat(lines)}`]);
  });
});
