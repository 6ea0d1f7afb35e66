// Tests a command at a real terminal when another session has the input, the gateway stops, or the program asks a
// question.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type RunningCli, runCli, startCli } from '../helpers/cli/run-cli.ts';
import { openShell, type Terminal } from '../helpers/cli/terminal.ts';
import { startTestGateway, type TestGateway } from '../helpers/gateway/test-gateway.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';

const yaml = `
limits: { partialMs: 30ms }
calls:
  shell:
    terminal: [bash, --norc, --noprofile]
    env: { PS1: 'ready> ', TERM: dumb }
    onDisconnect: { default: cancel, allow: [cancel, detach] }
  fixed: { terminal: [bash, --norc, --noprofile], env: { PS1: 'ready> ', TERM: dumb } }
  cat: { process: [cat] }
  first: { process: [sh, -c, 'exec 0<&-; echo closed; sleep 60'] }
  holding: { terminal: [sh, -c, 'printf "within a line"; exec sleep 60'] }
  asking: { process: [bash, -c, 'printf "Name? "; exec sleep 60'], onDisconnect: detach }
  ask: { process: [bash, -c, 'printf "Name? "; read x; echo "hi $x"'] }
  mixed: { process: [bash, -c, 'printf "Name? "; read x; echo other >&2; read y; echo "hi $x"'] }
  progress:
    process:
      - sh
      - -c
      - '(i=0; while :; do printf "%d %%\r" $i; i=$((i+1)); sleep 0.005; done) & read x; kill $!; wait; echo done'
`;

describe('a terminal whose keys the run does not receive', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  const terminals: Terminal[] = [];
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());
  afterEach(() => {
    for (const terminal of terminals.splice(0)) terminal.kill();
  });

  async function shell(url = gateway.url): Promise<Terminal> {
    const terminal = openShell(url);
    terminals.push(terminal);
    await terminal.waitFor(/local> /);
    terminal.clear();
    return terminal;
  }

  /** Starts a call in one terminal, and takes over the input of the run in a second one. */
  async function takenOver(call: string): Promise<{ first: Terminal; second: Terminal; run: string }> {
    const first = await shell();
    first.type(`distillery call ${call}\r`);
    await first.waitFor(/ready> /);
    const { stdout } = await runCli(['runs', '--url', gateway.url, '--json']);
    const run = /"id":\s*"([^"]+)"/.exec(stdout)![1]!;
    const second = await shell();
    second.type(`distillery attach --input ${run}\r`);
    await first.waitFor(/another session took over the input of the run; keys are discarded[^]*Ctrl-T[^]*\r\n/);
    return { first, second, run };
  }

  it('T1: keys typed after another session took the input are discarded, not executed by the local shell', async () => {
    const { first, second } = await takenOver('shell');
    first.type('echo executed-$((1 + 1))\r');
    first.type('echo executed-$((1 + 2))\r');
    second.type('echo from the second; exit\r');
    await first.waitFor(/from the second\r\n/);
    await expectLocalShell(first);
  });

  it('T1: Ctrl-C leaves a run whose input another session has, and the run continues', async () => {
    const { first, second } = await takenOver('shell');
    first.type('echo executed-$((1 + 1))\r');
    first.type('\u0003');
    await first.waitFor(/detached after byte \d+; the run continues/);
    await expectLocalShell(first);
    second.type('echo "still $((6 * 7))"\r');
    await second.waitFor(/still 42\r\n/);
    second.type('exit\r');
    await expectLocalShell(second);
  });

  it('T1: Ctrl-C twice cancels a run that does not allow detach', async () => {
    const { first } = await takenOver('fixed');
    first.type('\u0003');
    await first.waitFor(/does not allow detach[^]*Ctrl-C again cancels the run/);
    first.type('\u0003');
    await first.waitFor(/cancelled\S*, client requested cancellation/);
    await expectLocalShell(first);
  });

  it('T1: Ctrl-T takes the input back, and the other terminal reports it', async () => {
    const { first, second } = await takenOver('shell');
    first.type('\u0014');
    await first.waitFor(/this terminal has the input of the run again\r\n/);
    // Do not match the start of the notice: the second session can lose the input before its terminal is connected.
    await second.waitFor(/; keys are discarded\. Ctrl-C leaves the run, Ctrl-T takes the input back/);
    first.clear();
    first.type('echo "mine $((6 * 7))"\r');
    await first.waitFor(/mine 42\r\n/);
    second.type('\u0014');
    await second.waitFor(/this terminal has the input of the run again\r\n/);
    await first.waitFor(/another session took over the input of the run; keys are discarded/);
    second.type('echo "again $((6 * 7))"; exit\r');
    await first.waitFor(/again 42\r\n/);
    await expectLocalShell(first);
    await expectLocalShell(second);
  });

  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)
    it(`T1: ${signal} restores and flushes a terminal whose keys are discarded`, async () => {
      const { first } = await takenOver('shell');
      first.type('echo executed-$((1 + 1))\r');
      process.kill(await findChild(first.pid), signal);
      await expectLocalShell(first);
    });

  for (const call of ['first', 'cat'])
    it(`T1: lines that the run no longer reads are not executed by the local shell: ${call}`, async () => {
      const terminal = await shell();
      terminal.type(`distillery call --id lines-${call} ${call}\r`);
      await terminal.waitFor(call === 'cat' ? /running/ : /closed\r\n/);
      if (call === 'cat') {
        const other = await shell();
        other.type(`distillery attach --input lines-${call}\r`);
        await terminal.waitFor(
          /took over the input of the run; typed lines are discarded\. "distillery attach --input lines-cat"/,
        );
      }
      for (let i = 0; i < 3; i++) terminal.type(`echo executed-$((${i} + 1))\r`);
      await terminal.waitFor(/executed-\$\(\(2/);
      terminal.type('\u0003');
      await terminal.waitFor(/cancelled/);
      await expectLocalShell(terminal);
    });

  it('T2: a terminal whose gateway stops says so at the left edge, and is restored', async () => {
    const other = await startTestGateway(yaml);
    try {
      const terminal = await shell(other.url);
      terminal.type('distillery call holding\r');
      await terminal.waitFor(/within a line$/);
      await other.stop();
      await terminal.waitFor(/within a line\r\n\S*cancelled\S*, server is shutting down\r\n/);
      await expectLocalShell(terminal);
    } finally {
      await other.stop();
    }
  });
});

describe('a terminal whose gateway is killed', function () {
  this.timeout(60_000);
  let folder: string;
  let served: RunningCli;
  let url: string;
  let terminal: Terminal;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'killed-'));
    await writeFile(
      join(folder, 'distillery.yaml'),
      `http: { api: true, listen: "127.0.0.1:0" }\ndata: data\nshutdown: { grace: 0s }\n${yaml}`,
    );
    await serve([]);
  });
  beforeEach(() => {
    terminal = openShell(url);
  });
  afterEach(() => terminal.kill());
  after(async () => {
    served.child.kill('SIGTERM');
    await served.result;
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(args: readonly string[]): Promise<void> {
    served = startCli(['serve', '--config', join(folder, 'distillery.yaml'), ...args], { env: { LOG_LEVEL: 'error' } });
    url = (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 60_000))[1]!;
  }

  async function kill(): Promise<void> {
    served.child.kill('SIGKILL');
    await served.result;
  }

  async function callHolding(): Promise<void> {
    await terminal.waitFor(/local> /);
    terminal.type('distillery call holding\r');
    await terminal.waitFor(/within a line$/);
  }

  it('T2: the terminal says at the left edge that the connection is lost, and how to exit', async () => {
    await callHolding();
    await kill();
    await terminal.waitFor(/within a line\r\n\S*connection lost; reconnecting; Ctrl-C exits\S*\r\n/);
    terminal.type('echo executed-$((1 + 1))\r');
    terminal.type('\u0003');
    await terminal.waitFor(/\r\nexited without waiting; run "distillery attach \S+" to watch run \S+\r\n/);
    await expectLocalShell(terminal);
    await serve(['--listen', new URL(url).host]);
  });

  it('T2: the terminal says at the left edge what became of the run when the gateway is back', async () => {
    await callHolding();
    await kill();
    await terminal.waitFor(/connection lost/);
    await serve(['--listen', new URL(url).host]);
    await terminal.waitFor(/\r\n\r?\S*reconnected; the output resumes where it stopped\S*\r\n/);
    await terminal.waitFor(/\r\n\S*unknown\S*, the gateway ended before the end of this run was recorded/);
    await expectLocalShell(terminal);
  });
});

describe('an unfinished line at a terminal', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  let terminal: Terminal;
  before(async () => {
    gateway = await startTestGateway(yaml);
  });
  after(() => gateway.stop());
  beforeEach(async () => {
    terminal = openShell(gateway.url);
    await terminal.waitFor(/local> /);
    terminal.clear();
  });
  afterEach(() => terminal.kill());

  it('T3: a question is shown before it is answered, and the answer follows it', async () => {
    terminal.type('distillery call ask\r');
    await terminal.waitFor(/running\S*\r\nName\? $/);
    terminal.type('Ada\r');
    await terminal.waitFor(/Name\? Ada\r\nhi Ada\r\n/);
    await terminal.waitFor(/local> $/);
    expect(terminal.text).not.to.include('waiting for input');
  });

  it('T3: a line of another source appears above the question', async () => {
    terminal.type('distillery call mixed\r');
    await terminal.waitFor(/Name\? $/);
    terminal.type('Ada\r');
    await terminal.waitFor(/Ada\r\n\r\S*\[Kother\r\nName\? $/);
    terminal.type('\r');
    await terminal.waitFor(/Name\? \r\nhi Ada\r\n/);
  });

  it('T3: a progress bar is redrawn in its row', async () => {
    terminal.type('distillery call progress\r');
    await terminal.waitFor(/\r\S*\[K\d+ %\r\S*\[K\d+ %/);
    terminal.type('\r');
    await terminal.waitFor(/%\rdone\r\n/);
  });

  it('T3: logs --follow shows a question as well', async () => {
    terminal.type('distillery call --detach --id asked asking\r');
    await terminal.waitFor(/asked\r\n[^]*local> $/);
    terminal.type('distillery logs --follow asked\r');
    await terminal.waitFor(/Name\? $/);
    terminal.type('\u0003');
    await terminal.waitFor(/local> $/);
    await runCli(['cancel', '--url', gateway.url, 'asked']);
  });

  it('T3: output that does not go to a terminal has whole lines only', async () => {
    const { stdout } = await runCli(['call', '--url', gateway.url, 'ask'], { input: 'Ada\n' });
    expect(stdout).to.equal('Name? hi Ada\n');
  });
});

async function expectLocalShell(terminal: Terminal): Promise<void> {
  await terminal.waitFor(/local> $/);
  terminal.clear();
  terminal.type('echo "alive $((6 * 7))"\r');
  await terminal.waitFor(/alive 42\r\n[^]*local> $/);
  expect(terminal.text).not.to.match(/executed-\d/);
  terminal.clear();
  terminal.type('stty -a; echo end\r');
  await terminal.waitFor(/\nend\r\n/);
  expect(terminal.text)
    .to.match(/ icanon /)
    .and.to.match(/[^-]opost /);
}

async function findChild(pid: number): Promise<number> {
  let child = 0;
  await waitUntil('the shell has a child', async () => {
    child = Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')[0]);
    return child > 0;
  });
  return child;
}
