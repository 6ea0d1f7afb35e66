// Tests how the pin API follows the log of a run.

import { expect } from 'chai';
import type { EventLog } from '../../../server/compat/pin/events/event-log.ts';
import type { JobTracker } from '../../../server/compat/pin/runs/job-tracker.ts';
import { forwardLog } from '../../../server/compat/pin/runs/log-forwarder.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { newLog, withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

describe('the pin API and the log of a run', () => {
  it('output after a gap is forwarded, even if the output before the gap is of a service', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { segmentBytesMax: 1000, tailBytesMax: 0 });
      const received: string[] = [];
      const drained = deferred<void>();
      let isFull = false;
      const eventLog = {
        get full() {
          return isFull;
        },
        drained: () => drained.promise,
        appendOutput: ({ lines, job, stream }: Parameters<EventLog['appendOutput']>[0]) =>
          void received.push(...lines.map((line) => `${job ?? ''} ${stream} ${line.slice(0, 2).trim()}`)),
        appendTexts: () => {
          isFull = true;
        },
      } as unknown as EventLog;
      const jobs = { apply() {}, displayName: (id: string) => id } as unknown as JobTracker;
      log.part('a', 'db').write('stderr', Buffer.from('db\n'));
      // This event makes the event log full.
      log.emit('pipeline-warning', { message: 'full' });
      const forwarded = forwardLog(log, { run: 'r', jobs, eventLog });
      await waitUntil('the event log is full', () => isFull);
      for (let i = 0; i < 30; i++) log.write('stdout', Buffer.from(`${i} ${'x'.repeat(100)}\n`));
      await log.close();
      expect(await log.dropSegments((await log.segments()).at(-1)!.number)).to.be.above(0);
      isFull = false;
      drained.resolve();
      await forwarded;
      expect(received.at(-1)).to.equal(' stdout 29');
      expect(received.every((text) => text.startsWith(' stdout '))).to.equal(true);
    }));
});
