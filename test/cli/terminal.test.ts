// `distillery call` of a terminal, at a real terminal: keys, sizes, and the terminal as it was before.

import { expect } from 'chai';
import { spawn } from 'node-pty';
import type { IPty } from 'node-pty';
import { bin } from '../helpers/cli.ts';
import { startTestGateway } from '../helpers/gateway.ts';
import type { TestGateway } from '../helpers/gateway.ts';

const yaml = `
calls:
  shell: { terminal: [bash, --norc, --noprofile], env: { PS1: 'ready> ', TERM: dumb } }
  cat: { process: [cat] }
`;

describe('distillery call at a terminal', function () {
  this.timeout(20_000);
  let gateway: TestGateway;
  let terminal: Terminal;
  before(async () => { gateway = await startTestGateway(yaml); });
  after(() => gateway.stop());
  afterEach(() => terminal.kill());

  /** The settings of the terminal before and after the call, and its exit code, are printed around it. */
  function open(call: string): Terminal {
    const script = 'echo "before $(stty -g)"; "$0" "$1" call "$2"; code=$?; echo "after $(stty -g)"; echo "code $code."';
    return new Terminal(spawn('bash', ['-c', script, process.execPath, bin, call], {
      cols: 90, rows: 20, env: { PATH: process.env['PATH'], DISTILLERY_URL: gateway.url, TERM: 'xterm' },
    }));
  }

  async function expectRestored(): Promise<void> {
    await terminal.says(/code \d+\./);
    const [, before] = await terminal.says(/before (\S+)/);
    const [, after] = await terminal.says(/after (\S+)/);
    expect(after).to.equal(before);
  }

  it('joins the two terminals: size, keys, Ctrl-C and exit code', async () => {
    terminal = open('shell');
    await terminal.says(/ready> /);
    terminal.types('stty size\r');
    await terminal.says(/20 90\r\n/);
    terminal.types('sleep 60; echo "slept $?"\r');
    await terminal.says(/sleep 60;.*\r\n/);
    terminal.types('\u0003');
    await terminal.says(/\^C[^]*ready> /);
    terminal.types('exit 5\r');
    await terminal.says(/failed.*, exited with code 5\r\n/);
    await terminal.says(/code 5\./);
    await expectRestored();
  });

  it('passes every change of size on', async () => {
    terminal = open('shell');
    await terminal.says(/ready> /);
    terminal.types('trap "stty size" WINCH\r');
    await terminal.says(/WINCH\r\n[^]*ready> /);
    terminal.resize(123, 45);
    terminal.types('\r');
    await terminal.says(/45 123\r\n/);
    terminal.types('exit\r');
    await expectRestored();
  });

  it('puts the terminal back when it is cancelled from outside', async () => {
    terminal = open('shell');
    await terminal.says(/ready> /);
    terminal.types('echo "pid $PPID"\r');
    await terminal.says(/pid \d+/);
    process.kill(await childOf(terminal.pid), 'SIGTERM');
    await terminal.says(/code 130\./);
    await expectRestored();
  });

  it('puts the terminal back when the gateway is gone', async () => {
    const other = await startTestGateway(yaml);
    const kept = gateway;
    gateway = other;
    terminal = open('shell');
    gateway = kept;
    await terminal.says(/ready> /);
    other.gateway.hurry();
    await other.stop();
    await terminal.says(/code \d+\./);
    await expectRestored();
  });

  it('leaves Ctrl-C and Ctrl-D to the person where the call is no terminal', async () => {
    terminal = open('cat');
    await terminal.says(/running/);
    terminal.types('hello\r');
    await terminal.says(/hello\r\nhello\r\n/);
    terminal.types('\u0004');
    await terminal.says(/code 0\./);
    await expectRestored();
    terminal.kill();
    terminal = open('cat');
    await terminal.says(/running/);
    terminal.types('\u0003');
    await terminal.says(/cancelled[^]*code 130\./);
  });
});

/** A person at a terminal. */
class Terminal {
  readonly #pty: IPty;
  #text = '';
  #changed: () => void = () => {};
  #ended = false;

  constructor(pty: IPty) {
    this.#pty = pty;
    pty.onData((data) => { this.#text += data; this.#changed(); });
    pty.onExit(() => { this.#ended = true; this.#changed(); });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  types(keys: string): void {
    this.#pty.write(keys);
  }

  resize(cols: number, rows: number): void {
    this.#pty.resize(cols, rows);
  }

  kill(): void {
    if (!this.#ended) this.#pty.kill('SIGKILL');
  }

  /** Resolves when the screen has shown a match. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + 8_000;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) return match;
      if (this.#ended || Date.now() > deadline) throw new Error(`it did not say ${pattern}: ${JSON.stringify(this.#text)}`);
      await this.#change(deadline - Date.now());
    }
  }

  async #change(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
      timer = setTimeout(resolve, ms + 1);
    });
    clearTimeout(timer);
  }
}

async function childOf(pid: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}
