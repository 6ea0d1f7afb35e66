// Tests with real programs whether they count as waiting for input.

import { expect } from 'chai';
import type { ProcessSpec } from '../../calls/contract/engines.ts';
import type { TestRun } from '../helpers/process/test-process-engine.ts';
import { cancel, createTestRun, until, waitUntilStable } from '../helpers/process/test-process-engine.ts';

type Argv = ProcessSpec['argv'];

/** Runs the program, and stops it after `observe` has resolved. */
async function during(argv: Argv, terminal: boolean, observe: (made: TestRun) => Promise<void>): Promise<void> {
  const made = createTestRun();
  const { engine, run } = made;
  const spec = { argv, env: { PATH: process.env['PATH'] ?? '' } };
  const work = terminal ? engine.terminal(run.ports)({ ...spec, cols: 80, rows: 24 }) : engine.process(run.ports)(spec);
  try {
    await observe(made);
  } finally {
    await cancel(made);
    await work;
  }
}

const waiting: readonly (readonly [string, Argv])[] = [
  ['a program that copies its input', ['cat']],
  ['a shell that asks a question', ['bash', '-c', 'read -p "Name? " x; echo "hi $x"']],
  ['a child of a shell', ['sh', '-c', 'sleep 60 & cat; true']],
  ['Python that asks a question', ['python3', '-c', 'input("Name? ")']],
  ['a program that waits by select', ['python3', '-c', 'import select; select.select([0], [], [])']],
  [
    'a program that waits by poll',
    ['python3', '-c', 'import select; p = select.poll(); p.register(0, select.POLLIN); p.poll()'],
  ],
  [
    'a thread that is not the first',
    [
      'python3',
      '-c',
      'import threading, time, os\nthreading.Thread(target=lambda: os.read(0, 1)).start()\nthreading.Event().wait()',
    ],
  ],
];

const otherwise: readonly (readonly [string, Argv])[] = [
  ['sleeps', ['sh', '-c', 'echo ready; exec sleep 60']],
  ['computes', ['bash', '-c', 'echo ready; while :; do :; done']],
  ['reads from another program', ['bash', '-c', 'echo ready; sleep 60 | cat']],
  [
    'reads from a named pipe',
    ['bash', '-c', 'd=$(mktemp -d); mkfifo $d/p; exec 3<>$d/p; rm -r $d; echo ready; read x <&3'],
  ],
  [
    'waits for its input only for a limited time',
    ['python3', '-c', 'import select; print("ready", flush=True); select.select([0], [], [], 60)'],
  ],
  [
    'waits for something else as well',
    ['python3', '-c', 'import select, os; r, w = os.pipe(); print("ready", flush=True); select.select([0, r], [], [])'],
  ],
  ['has an input and does not read it', ['bash', '-c', 'echo ready; sleep 60 < /dev/null']],
];

describe('isWaitingForInput', () => {
  for (const terminal of [false, true]) {
    const where = terminal ? 'at a terminal' : 'at a pipe';
    for (const [title, argv] of waiting) {
      it(`${title}, ${where}, counts as waiting for input`, () =>
        during(argv, terminal, ({ engine, id }) =>
          until('the process waits for input', () => engine.isWaitingForInput(id)),
        ));
    }

    for (const [title, argv] of otherwise) {
      it(`a program that ${title}, ${where}, does not count as waiting for input`, () =>
        during(argv, terminal, async ({ engine, run, id }) => {
          await run.output.waitForText('ready');
          await waitUntilStable(() => run.output.bytes('stdout').length, 100);
          for (let look = 0; look < 20; look++) expect(await engine.isWaitingForInput(id)).to.equal(false);
        }));
    }
  }

  it('a program that reads from /dev/tty counts as waiting for input although its stdin is another file', () =>
    during(['bash', '-c', 'read -p "Password? " x < /dev/tty'], true, ({ engine, id }) =>
      until('the process waits for input', () => engine.isWaitingForInput(id)),
    ));

  it('a process does not count as waiting for input while it handles earlier input', () =>
    during(['bash', '-c', 'read x; echo ready; sleep 60; read y'], false, async ({ engine, run, id }) => {
      await until('the process waits for input', () => engine.isWaitingForInput(id));
      run.sendInput('one\n');
      await run.output.waitForText('ready');
      expect(await engine.isWaitingForInput(id)).to.equal(false);
    }));

  it('a run that the engine does not know does not count as waiting for input', async () => {
    expect(await createTestRun().engine.isWaitingForInput('no-such-run')).to.equal(false);
  });
});
