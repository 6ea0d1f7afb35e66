// `distillery run`, `plan`, `validate` and `init` as people use them: a child process, a real gateway, a real engine, and a real terminal.

import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn, type IPty } from 'node-pty';
import { bin, cli, startCli, type CliOptions } from '../../helpers/cli.ts';
import { cuttingProxy, type Cut } from '../../helpers/cutting-proxy.ts';
import { sharedEngine } from '../../helpers/engine.ts';
import { startTestGateway, type TestGateway } from '../../helpers/gateway.ts';
import { newestRuns, settled } from '../../helpers/settled.ts';
import { soon } from '../../helpers/until.ts';

const two = `
workflow: [one, two]
one:
  image: busybox:latest
  outputs: [WORD]
  script: |
    echo "first of $TEXT"
    echo "WORD=found" >> "$DISTILLERY_OUTPUT"
two:
  image: busybox:latest
  script: echo "second $WORD"
`;
const failing = `
workflow: [ok, bad, never]
ok: { image: "busybox:latest", script: "echo fine" }
bad: { image: "busybox:latest", script: ["echo one", "echo two", "exit 7"] }
never: { image: "busybox:latest", script: "echo never" }
`;
const asleep = 'workflow: [nap]\nnap: { image: "busybox:latest", script: "echo asleep; sleep 60" }';
const files = 'workflow: [look]\nlook: { image: "busybox:latest", copyFiles: true, script: "find . | sort; cat sub/file; ls -l link | grep -o \'link.*\'" }';

describe('pipelines at the command line', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  let folder: string;
  before(async () => { gateway = await startTestGateway(`docker: { host: "${await sharedEngine()}" }\npipelines: { workspaces: [.] }`); });
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'pipelines-')); });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
    await settled(gateway);
  });
  after(() => gateway.stop());

  const options = (more: CliOptions = {}): CliOptions => ({ cwd: folder, env: { DISTILLERY_URL: gateway.url }, ...more });
  const distillery = (args: readonly string[], more: CliOptions = {}) => cli(args, options(more));
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return name;
  };

  describe('distillery run', () => {
    it('prints the lines of jobs with their names on stdout, and what they do on stderr', async () => {
      const { stdout, stderr, code } = await distillery(['run', await write('two.yaml', two), '--var', 'TEXT=a=b']);
      expect([stdout, code]).to.deep.equal(['[one] first of a=b\n[two] second found\n', 0]);
      expect(stderr).to.match(/^run (\S+) of pipeline\.run: running\n/m);
      expect(stderr).to.match(/^2 jobs: one, two\n\[one\] started\n(.*\n)*\[one\] succeeded in .*\n\[two\] started\n(.*\n)*\[two\] succeeded in .*\n/m);
      expect(stderr).to.match(/^succeeded\nWORD=found\nclean: .*\n$/m);
      expect(stderr).not.to.contain('value:');
    });

    it('takes the file that is there when none is named, and is apply for those who are used to that', async () => {
      await write('pin.yaml', two.replaceAll('one', 'uno'));
      expect((await distillery(['apply', '-q'])).stdout).to.contain('[uno] first of \n');
      await write('pipeline.yaml', two);
      expect((await distillery(['run', '-q'])).stdout).to.contain('[one] first');
      expect((await distillery(['apply', '-q', '--filepath', 'pin.yaml'])).stdout).to.contain('[uno] first');
      expect((await distillery(['run', '-q', '-'], { input: two })).stdout).to.contain('[one] first');
    });

    it('ends with the exit code of the job that failed, and says which one', async () => {
      const { stdout, stderr, code } = await distillery(['run', await write('failing.yaml', failing)]);
      expect([stdout, code]).to.deep.equal(['[ok] fine\n[bad] one\n[bad] two\n', 7]);
      expect(stderr).to.match(/^\[bad\] failed in .*: command execution failed \(exit code 7\)\n\[never\] skipped: bad failed$/m);
      expect(stderr).to.match(/^failed, job "bad" failed: command execution failed \(exit code 7\)$/m);
    });

    it('pin defect 6: a missing file, bad YAML and a failed run each end with 1 and a line on stderr', async () => {
      const [before] = await newestRuns(gateway);
      const missing = await distillery(['run', 'nowhere.yaml']);
      expect([missing.code, missing.stdout, missing.stderr]).to.deep.equal([1, '', 'distillery: there is no file "nowhere.yaml"\n']);
      const none = await distillery(['run']);
      expect([none.code, none.stderr]).to.deep.equal([1, 'distillery: there is neither pipeline.yaml nor pin.yaml here; name a file, or write one with "distillery init"\n']);
      const bad = await distillery(['run', await write('bad.yaml', 'a: [\n')]);
      expect([bad.code, bad.stdout]).to.deep.equal([1, '']);
      expect(bad.stderr).to.match(/^bad\.yaml:\d+:\d+: /);
      const invalid = await distillery(['run', await write('invalid.yaml', 'workflow: [a]\na:\n  script: x\n')]);
      expect(invalid.code).to.equal(1);
      expect(invalid.stderr).to.match(/^invalid\.yaml:2:1: a\.\S+: either 'image' or 'dockerfile' must be specified.*\n {4}a:\n {4}\^/);
      expect(await newestRuns(gateway)).to.deep.equal(before === undefined ? [] : [before]);
      const failed = await distillery(['run', await write('failed.yaml', 'workflow: [a]\na: { image: "busybox:latest", script: "false" }')]);
      expect(failed.code).to.equal(1);
      expect(failed.stderr).to.match(/^failed, job "a" failed: /m);
    });

    it('says what the gateway refuses, a line for each mistake', async () => {
      const { code, stderr } = await distillery(['run', await write('host.yaml', 'workflow: [a, b]\na: { host: true, script: id }\nb: { image: x, network: host }')]);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^rejected, host\.yaml:2:\d+: a\.host: host jobs are disabled.*\nhost\.yaml:3:\d+: b\.network: .*$/m);
    });

    it('says that there is no gateway', async () => {
      const { code, stderr } = await distillery(['run', await write('two.yaml', two), '--url', 'http://127.0.0.1:1']);
      expect(code).to.equal(125);
      expect(stderr).to.match(/cannot connect to .*\nIs the gateway running/);
    });

    it('sends the folder when a job needs it, with links, empty folders and modes, and without what is ignored', async () => {
      await mkdir(join(folder, 'sub/empty'), { recursive: true });
      await mkdir(join(folder, '.distillery'));
      await write('.distillery/data', 'not this');
      await write('sub/file', 'content\n');
      await write('sub/left.log', 'not this');
      await write('run.sh', '#!/bin/sh\n');
      await chmod(join(folder, 'run.sh'), 0o755);
      await symlink('sub/file', join(folder, 'link'));
      await write('.distilleryignore', '*.log\n');
      const { stdout, stderr, code } = await distillery(['run', await write('files.yaml', files)]);
      expect(code, stderr).to.equal(0);
      expect(stdout.split('\n')).to.deep.equal([
        '.', './.distilleryignore', './files.yaml', './link', './run.sh', './sub', './sub/empty', './sub/file', 'content', 'link -> sub/file', '',
      ].map((line) => (line === '' ? '' : `[look] ${line}`)));
      expect(stderr).to.match(/^sent 5 files \(\d+ bytes\)$/m);
      expect((await lstat(join(folder, 'link'))).isSymbolicLink()).to.equal(true);
    });

    it('sends another folder, none, or one that is at the gateway', async () => {
      const list = await write('list.yaml', 'workflow: [look]\nlook: { image: "busybox:latest", copyFiles: true, script: ls }');
      await mkdir(join(folder, 'other'));
      await write('other/here', '');
      expect((await distillery(['run', '-q', list, '--workspace', 'other'])).stdout).to.equal('[look] here\n');
      const none = await distillery(['run', '-q', list, '-w', 'none']);
      expect([none.stdout, none.code]).to.deep.equal(['', 0]);
      expect((await distillery(['run', '-q', list, '--gateway-workspace', gateway.folder])).stdout).to.contain('[look] distillery.yaml\n');
      expect((await distillery(['run', '-q', list, '--gateway-workspace', '/etc'])).code).to.equal(2);
      const nowhere = await distillery(['run', list, '--workspace', 'nowhere']);
      expect([nowhere.code, nowhere.stderr]).to.deep.equal([1, 'distillery: there is no folder "nowhere"\n']);
    });

    it('sends much, no faster than it is taken', async () => {
      await writeFile(join(folder, 'large'), Buffer.alloc(20 << 20, 'some text that is not always the same 0123456789\n'));
      const sum = await write('sum.yaml', 'workflow: [sum]\nsum: { image: "busybox:latest", copyFiles: true, script: "wc -c < large" }');
      expect((await distillery(['run', '-q', sum])).stdout).to.equal(`[sum] ${20 << 20}\n`);
    });

    it('survives lost connections: files arrive whole, and each line once', async () => {
      await writeFile(join(folder, 'large'), randomBytes(3 << 20));
      const cuts: Cut[] = [{ direction: 'up', afterBytes: 700_000 }, { direction: 'up', afterBytes: 1_200_000 }, { direction: 'down', afterBytes: 6_000 }, { direction: 'down', afterBytes: 3_000 }];
      const proxy = await cuttingProxy(gateway.url, () => cuts.shift());
      try {
        const count = await write('count.yaml', 'workflow: [count]\ncount: { image: "busybox:latest", copyFiles: true, script: ["wc -c < large", "seq 5000"] }');
        const { stdout, stderr, code } = await distillery(['run', count, '--url', proxy.url]);
        expect(code, stderr).to.equal(0);
        expect(stdout).to.equal(`[count] ${3 << 20}\n${Array.from({ length: 5_000 }, (_, at) => `[count] ${at + 1}\n`).join('')}`);
        expect(stderr).to.match(/connection lost; trying to connect again\n(.*\n)*connected again, and going on where it was left/);
        expect(proxy.cuts()).to.equal(4);
      } finally {
        await proxy.close();
      }
    });

    it('stops sending when nobody takes it any more', async () => {
      await writeFile(join(folder, 'large'), randomBytes(20 << 20));
      const small = await startTestGateway(`docker: { host: "${await sharedEngine()}" }\nlimits: { workspaceBytesMax: 1m }`);
      try {
        const sum = await write('sum.yaml', 'workflow: [sum]\nsum: { image: "busybox:latest", copyFiles: true, script: "wc -c < large" }');
        const { code, stderr } = await distillery(['run', sum, '--url', small.url]);
        expect(code).to.equal(1);
        expect(stderr).not.to.match(/^sent /m);
        expect(stderr).to.match(/^failed, .*workspaceBytesMax|^failed, .*1m/m);
      } finally {
        await small.stop();
      }
    });

    it('tells everything as JSON, the result last', async () => {
      const { stdout, code } = await distillery(['run', '--json', await write('two.yaml', two)]);
      expect(code).to.equal(0);
      const told = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(told.filter(({ line }) => line !== undefined)).to.deep.equal([{ line: 'first of ', stream: 'stdout', job: 'one' }, { line: 'second found', stream: 'stdout', job: 'two' }]);
      expect(told.at(-1)).to.have.nested.property('result.value.outputs').that.deep.equals({ WORD: 'found' });
    });

    it('leaves the run to itself as soon as it has its files', async () => {
      await mkdir(join(folder, 'sub'));
      await write('sub/file', 'x\n');
      const { stdout, code, stderr } = await distillery(['run', '--detach', await write('left.yaml', `workflow: [look, nap]\nlook: { image: "busybox:latest", copyFiles: true, script: ls sub }\nnap: { image: "busybox:latest", script: "sleep 60" }`)]);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^[a-z2-7]{20}\n$/);
      const run = stdout.trim();
      const watching = startCli(['attach', run], options());
      await watching.says(/^file\n/m);
      await distillery(['cancel', run]);
      expect((await watching.ended).code).to.equal(130);
    });

    it('is cancelled by Ctrl-C, and waits for the receipt', async () => {
      const running = startCli(['run', await write('asleep.yaml', asleep)], options());
      await running.says(/\[nap\] asleep/);
      running.child.kill('SIGINT');
      const { code, stderr } = await running.ended;
      expect(code).to.equal(130);
      expect(stderr).to.match(/^\[nap\] cancelled in .*\n(.*\n)*cancelled, client requested cancellation\nclean: container nap_/m);
    });

    it('writes the result where it is wanted', async () => {
      await distillery(['run', '-q', '--result', 'result.json', await write('two.yaml', two)]);
      expect(JSON.parse(await readFile(join(folder, 'result.json'), 'utf8'))).to.include({ success: true, status: 'succeeded' });
    });

    for (const name of ['=x', 'A-B=x', 'A', '1=x']) {
      it(`refuses the variable ${name}`, async () => {
        expect((await distillery(['run', 'x.yaml', '--var', name])).code).to.equal(2);
      });
    }
  });

  describe('distillery run at a terminal', () => {
    let pty: IPty | undefined;
    afterEach(() => { pty?.kill('SIGKILL'); pty = undefined; });

    /** What has come so far, and what a person would have seen: escape sequences left out. */
    function open(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
      let text = '';
      let changed: () => void = () => {};
      const terminal = spawn('bash', ['-c', '"$@"; echo "code $?."', 'bash', process.execPath, bin, ...args], {
        cols: 70, rows: 12, cwd: folder, env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], DISTILLERY_URL: gateway.url, TERM: 'xterm', ...env },
      });
      pty = terminal;
      terminal.onData((data) => { text += data; changed(); });
      return {
        types: (keys: string) => terminal.write(keys),
        raw: () => text,
        async says(pattern: RegExp): Promise<RegExpExecArray> {
          const found = (): RegExpExecArray | null => pattern.exec(text.replace(/\u001b\[[\d;?]*[A-Za-z]/g, ''));
          const said = new Promise<RegExpExecArray>((resolve) => {
            changed = () => {
              const match = found();
              if (match !== null) resolve(match);
            };
            changed();
          });
          return soon(`it says ${pattern}`, said, 30_000).catch((error: unknown) => {
            throw new Error(`${String(error)}; it said ${JSON.stringify(text)}`);
          });
        },
      };
    }

    it('has a row for each job while it goes on, and at the end the last lines of those that failed', async () => {
      const terminal = open(['run', await write('failing.yaml', failing)]);
      const [shown] = await terminal.says(/ok +succeeded +[\d.]+s  fine\r\nbad +failed +[\d.]+s  command execution failed \(exit code 7\)\r\nnever +skipped +bad failed\r\n(?!never)[^]*code 7\./);
      expect(shown).to.match(/last lines of bad:\r\n {2}one\r\n {2}two\r\nfailed, job "bad" failed: command execution failed \(exit code 7\)\r\nclean: /);
      expect(terminal.raw()).to.match(/\u001b\[\d+A\u001b\[J/);
      expect(terminal.raw()).to.contain('\u001b[31m');
    });

    it('shows what a job printed last, and is cancelled by Ctrl-C', async () => {
      const terminal = open(['run', await write('asleep.yaml', asleep)]);
      await terminal.says(/nap +running +[\d.]+s  asleep\r\n0 of 1 job over: 1 running/);
      terminal.types('\u0003');
      await terminal.says(/nap +cancelled +[\d.]+s\r\ncancelled, client requested cancellation\r\nclean: [^]*code 130\./);
    });

    it('has no colours with NO_COLOR, and no rows with --plain', async () => {
      const terminal = open(['run', await write('two.yaml', two)], { NO_COLOR: '1' });
      await terminal.says(/code 0\./);
      expect(terminal.raw()).not.to.match(/\u001b\[[\d;]*m/);
      pty?.kill('SIGKILL');
      const plain = open(['run', '--plain', 'two.yaml']);
      await plain.says(/\[one\] first of \r\n[^]*\[two\] second found\r\n[^]*code 0\./);
      expect(plain.raw()).not.to.contain('\u001b[?7l');
    });
  });

  describe('distillery plan', () => {
    it('prints stages and jobs, without a gateway', async () => {
      const file = await write('plan.yaml', 'workflow: [a, b, c, d]\na: { image: x, retry: { attempts: 3 } }\nb: { image: y, parallel: true, condition: $GO == "yes" }\nc: { host: true, parallel: true, timeout: 90 }\nd: { dockerfile: Dockerfile }');
      const { stdout, stderr, code } = await cli(['plan', file, '--var', 'GO=yes'], { cwd: folder });
      expect([stderr, code]).to.deep.equal(['', 0]);
      expect(stdout).to.equal([
        'stage 1', '  a  (x)', '      up to 3 attempts', 'stage 2', '  b  (y)', '      after a', '      if $GO == "yes" (true for these variables)',
        '  c  (on the host)', '      after a', '      at most 90 s each', 'stage 3', '  d  (built from Dockerfile)', '      after b, c', '',
      ].join('\n'));
    });

    it('prints JSON', async () => {
      const { stdout } = await cli(['plan', '--json', '-f', await write('two.yaml', two)], { cwd: folder });
      expect(JSON.parse(stdout)).to.deep.equal({
        jobs: [{ id: 'one', name: 'one', after: [], stage: 0, base: { image: 'busybox:latest' } }, { id: 'two', name: 'two', after: ['one'], stage: 1, base: { image: 'busybox:latest' } }],
        stages: [['one'], ['two']], wantsFiles: false,
      });
    });

    it('tells every mistake with its line and a caret, on stderr', async () => {
      const { stdout, stderr, code } = await cli(['plan', await write('bad.yaml', 'workflow: [a, b]\na: { script: x }\nb: { script: y }\n')], { cwd: folder });
      expect([stdout, code]).to.deep.equal(['', 2]);
      expect(stderr).to.match(/^bad\.yaml:2:1: a\..*\n {4}a: \{ script: x \}\n {4}\^+\nbad\.yaml:3:1: b\..*\n {4}b: \{ script: y \}\n {4}\^+\n$/);
      expect((await cli(['plan', 'nowhere.yaml'], { cwd: folder })).code).to.equal(2);
    });
  });

  describe('distillery validate', () => {
    it('knows a pipeline by its keys', async () => {
      const good = await cli(['validate', await write('two.yaml', two)], { cwd: folder });
      expect([good.stdout, good.code]).to.deep.equal(['two.yaml: valid (2 jobs, 2 stages)\n', 0]);
      const bad = await cli(['validate', await write('bad.yaml', 'workflow: a\na: { script: x }')], { cwd: folder });
      expect([bad.stdout, bad.code]).to.deep.equal(['', 2]);
      expect(bad.stderr).to.match(/^bad\.yaml:2:1: a\./);
      expect((await cli(['validate', '--pipeline', await write('odd.yaml', 'http: { image: x, needs: [] }')], { cwd: folder })).code).to.equal(0);
    });

    it('checks the pipelines of a configuration with it', async () => {
      await mkdir(join(folder, 'ci'));
      await write('ci/bad.yaml', 'workflow: [a]\na: { script: x }\n');
      const { stderr, code } = await cli(['validate', await write('distillery.yaml', 'calls: { a: { pipeline: ci/bad.yaml } }')], { cwd: folder });
      expect(code).to.equal(2);
      expect(stderr).to.match(/^ci\/bad\.yaml:2:1: a\..*\n {4}a: \{ script: x \}\n {4}\^/);
    });
  });

  describe('distillery validate, of what is only worth a word', () => {
    it('finds it valid, and says it on stderr', async () => {
      await write('odd.yaml', 'workflow: [a]\na: { image: x, colour: red }\n');
      const pipeline = await cli(['validate', 'odd.yaml'], { cwd: folder });
      expect([pipeline.code, pipeline.stdout]).to.deep.equal([0, 'odd.yaml: valid (1 job, 1 stage)\n']);
      expect(pipeline.stderr).to.match(/^odd\.yaml:2:16: a\.colour: warning: .*\n {4}a: \{ image: x, colour: red \}\n {19}\^/);
      const whole = await cli(['validate', await write('distillery.yaml', 'calls: { a: { pipeline: odd.yaml } }')], { cwd: folder });
      expect([whole.code, whole.stderr]).to.deep.equal([0, pipeline.stderr]);
    });
  });

  describe('distillery init', () => {
    it('writes a pipeline that runs', async () => {
      const made = await distillery(['init']);
      expect([made.stdout, made.code]).to.deep.equal(['Created pipeline.yaml\n', 0]);
      const { stdout, stderr, code } = await distillery(['run']);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/\[report\] there are 1 files\n$/);
    });

    it('leaves what is there, unless it is forced', async () => {
      await write('mine.yaml', 'mine');
      const kept = await distillery(['init', '-f', 'mine.yaml']);
      expect([kept.stdout, kept.stderr, kept.code]).to.deep.equal(['', 'distillery: mine.yaml already exists; use --force to overwrite\n', 1]);
      expect(await readFile(join(folder, 'mine.yaml'), 'utf8')).to.equal('mine');
      expect((await distillery(['init', '-f', 'mine.yaml', '--force'])).code).to.equal(0);
      expect(await readFile(join(folder, 'mine.yaml'), 'utf8')).to.match(/^workflow: /m);
    });
  });
});
