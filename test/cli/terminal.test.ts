// Tests `distillery call` of a terminal call at a real terminal: keys, sizes, and the restored settings.

import { expect } from 'chai';
import { openTerminal, type Terminal } from '../helpers/cli/terminal.ts';
import type { TestGateway } from '../helpers/gateway/test-gateway.ts';
import { startTestGateway } from '../helpers/gateway/test-gateway.ts';

const yaml = `
calls:
  shell: { terminal: [bash, --norc, --noprofile], env: { PS1: 'ready> ', TERM: dumb } }
  cat: { process: [cat] }
`;

describe('distillery call at a terminal', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  let terminal: Terminal;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());
  afterEach(() => terminal.kill());

  /** Makes the call at a terminal. Prints the settings of the terminal before and after the call, and the exit code. */
  function open(call: string): Terminal {
    const script =
      'echo "before $(stty -g)"; "$0" "$1" call "$2"; code=$?; echo "after $(stty -g)"; echo "code $code."';
    return openTerminal(script, { args: [call], url: gateway.url });
  }

  async function expectRestored(): Promise<void> {
    await terminal.waitFor(/code \d+\./);
    const [, before] = await terminal.waitFor(/before (\S+)/);
    const [, after] = await terminal.waitFor(/after (\S+)/);
    expect(after).to.equal(before);
  }

  it('call connects the two terminals: size, keys, Ctrl-C and exit code', async () => {
    terminal = open('shell');
    await terminal.waitFor(/ready> /);
    terminal.type('stty size\r');
    await terminal.waitFor(/20 90\r\n/);
    // The child of the shell prints the line, so the child is in the foreground when Ctrl-C is typed.
    terminal.type(`sh -c 'echo "asleep $((6 * 7))"; exec sleep 60'; echo "slept $?"\r`);
    await terminal.waitFor(/asleep 42\r\n/);
    terminal.type('\u0003');
    await terminal.waitFor(/\^C[^]*ready> /);
    terminal.type('exit 5\r');
    await terminal.waitFor(/failed.*, exited with code 5\r\n/);
    await terminal.waitFor(/code 5\./);
    await expectRestored();
  });

  it('call sends every change of size', async () => {
    terminal = open('shell');
    await terminal.waitFor(/ready> /);
    terminal.type('trap "stty size" WINCH\r');
    await terminal.waitFor(/WINCH\r\n[^]*ready> /);
    terminal.resize(123, 45);
    terminal.type('\r');
    await terminal.waitFor(/45 123\r\n/);
    terminal.type('exit\r');
    await expectRestored();
  });

  it('call restores the terminal when it is cancelled from outside', async () => {
    terminal = open('shell');
    await terminal.waitFor(/ready> /);
    terminal.type('echo "pid $PPID"\r');
    await terminal.waitFor(/pid \d+/);
    process.kill(await firstChild(terminal.pid), 'SIGTERM');
    await terminal.waitFor(/code 130\./);
    await expectRestored();
  });

  it('call restores the terminal when the gateway stops', async () => {
    const other = await startTestGateway(yaml);
    const sharedGateway = gateway;
    gateway = other;
    terminal = open('shell');
    gateway = sharedGateway;
    await terminal.waitFor(/ready> /);
    other.gateway.forceStop();
    await other.stop();
    await terminal.waitFor(/code \d+\./);
    await expectRestored();
  });

  it('call handles Ctrl-C and Ctrl-D itself if the call is not a terminal call', async () => {
    terminal = open('cat');
    await terminal.waitFor(/running/);
    terminal.type('hello\r');
    await terminal.waitFor(/hello\r\nhello\r\n/);
    terminal.type('\u0004');
    await terminal.waitFor(/code 0\./);
    await expectRestored();
    terminal.kill();
    terminal = open('cat');
    await terminal.waitFor(/running/);
    terminal.type('\u0003');
    await terminal.waitFor(/cancelled[^]*code 130\./);
  });
});

async function firstChild(pid: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}
