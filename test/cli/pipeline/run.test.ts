// Tests `distillery run`, `plan`, `validate` and `init` as child processes, with a real gateway, engine and terminal.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type IPty, spawn } from 'node-pty';
import { type CliOptions, cliPath, runCli, startCli } from '../../helpers/cli/run-cli.ts';
import { sharedEngineHost } from '../../helpers/docker/shared-engine.ts';
import { expectIdle, getNewestRuns } from '../../helpers/gateway/expect-idle.ts';
import { startTestGateway, type TestGateway } from '../../helpers/gateway/test-gateway.ts';
import { withDeadline } from '../../helpers/wait-until.ts';
import { type DropRule, startDroppingProxy } from '../../helpers/websocket/dropping-proxy.ts';

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
const files = `
workflow: [look]
look:
  image: busybox:latest
  copyFiles: true
  script: "find . | sort; cat sub/file; ls -l link | grep -o 'link.*'"
`;

describe('pipelines at the command line', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  let folder: string;
  before(async () => {
    gateway = await startTestGateway(`docker: { host: "${await sharedEngineHost()}" }\npipelines: { workspaces: [.] }`);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pipelines-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
    await expectIdle(gateway);
  });
  after(() => gateway.stop());

  const options = (more: CliOptions = {}): CliOptions => ({
    cwd: folder,
    env: { DISTILLERY_URL: gateway.url },
    ...more,
  });
  const distillery = (args: readonly string[], more: CliOptions = {}) => runCli(args, options(more));
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return name;
  };

  describe('distillery run', () => {
    it('run prints lines with the names of their jobs on stdout, and the progress of the jobs on stderr', async () => {
      const { stdout, stderr, code } = await distillery(['run', await write('two.yaml', two), '--var', 'TEXT=a=b']);
      expect([stdout, code]).to.deep.equal(['[one] first of a=b\n[two] second found\n', 0]);
      expect(stderr).to.match(/^run (\S+) of pipeline\.run: running\n/m);
      const started = /^2 jobs: one, two\n\[one\] started\n(.*\n)*\[one\] succeeded in .*\n/m;
      expect(stderr).to.match(started);
      expect(stderr.slice(started.exec(stderr)?.[0].length)).to.match(
        /\[two\] started\n(.*\n)*\[two\] succeeded in .*\n/m,
      );
      expect(stderr).to.match(/^succeeded\nWORD=found\nclean: .*\n$/m);
      expect(stderr).not.to.contain('value:');
    });

    it('run uses the default file if no file is named, and apply is an alias of run', async () => {
      await write('pin.yaml', two.replaceAll('one', 'uno'));
      expect((await distillery(['apply', '-q'])).stdout).to.contain('[uno] first of \n');
      await write('pipeline.yaml', two);
      expect((await distillery(['run', '-q'])).stdout).to.contain('[one] first');
      expect((await distillery(['apply', '-q', '--filepath', 'pin.yaml'])).stdout).to.contain('[uno] first');
      expect((await distillery(['run', '-q', '-'], { input: two })).stdout).to.contain('[one] first');
    });

    it('run exits with the exit code of the failed job and names the job', async () => {
      const { stdout, stderr, code } = await distillery(['run', await write('failing.yaml', failing)]);
      expect([stdout, code]).to.deep.equal(['[ok] fine\n[bad] one\n[bad] two\n', 7]);
      expect(stderr).to.match(
        /^\[bad\] failed in .*: command execution failed \(exit code 7\)\n\[never\] skipped: bad failed$/m,
      );
      expect(stderr).to.match(/^failed, job "bad" failed: command execution failed \(exit code 7\)$/m);
    });

    it('pin defect 6: a missing file, bad YAML and a failed run exit with 1 and print a line on stderr', async () => {
      const [before] = await getNewestRuns(gateway);
      const missing = await distillery(['run', 'nowhere.yaml']);
      expect([missing.code, missing.stdout, missing.stderr]).to.deep.equal([
        1,
        '',
        'distillery: file "nowhere.yaml" does not exist\n',
      ]);
      const none = await distillery(['run']);
      expect([none.code, none.stderr]).to.deep.equal([
        1,
        'distillery: found neither pipeline.yaml nor pin.yaml in this folder; ' +
          'name a file, or create one with "distillery init"\n',
      ]);
      const bad = await distillery(['run', await write('bad.yaml', 'a: [\n')]);
      expect([bad.code, bad.stdout]).to.deep.equal([1, '']);
      expect(bad.stderr).to.match(/^bad\.yaml:\d+:\d+: /);
      const invalid = await distillery(['run', await write('invalid.yaml', 'workflow: [a]\na:\n  script: x\n')]);
      expect(invalid.code).to.equal(1);
      expect(invalid.stderr).to.match(
        /^invalid\.yaml:2:1: error: a\.\S+: either 'image' or 'dockerfile' must be specified.*\n {4}a:\n {4}\^/,
      );
      expect(await getNewestRuns(gateway)).to.deep.equal(before === undefined ? [] : [before]);
      const failed = await distillery([
        'run',
        await write('failed.yaml', 'workflow: [a]\na: { image: "busybox:latest", script: "false" }'),
      ]);
      expect(failed.code).to.equal(1);
      expect(failed.stderr).to.match(/^failed, job "a" failed: /m);
    });

    it('L22: run shows each warning of the file once', async () => {
      const file = await write('warned.yaml', 'workflow: [a]\na: { image: busybox, colour: red, script: echo hi }\n');
      const { stderr, code } = await distillery(['run', '--plain', file]);
      expect(code).to.equal(0);
      expect(stderr.match(/unknown key 'colour'/g)).to.have.length(1);
      const json = await distillery(['run', '--json', file]);
      expect(json.stderr).not.to.contain('colour');
      expect(json.stdout.match(/unknown key 'colour'/g)).to.have.length(1);
    });

    it('L10: apply takes the file from -f and the name of the pipeline from -n', async () => {
      const file = await write('named.yaml', 'workflow: [a]\na: { host: true, script: id }\n');
      const { stderr, code } = await distillery(['apply', '-f', file, '-n', 'nightly']);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^rejected, nightly:2:\d+: a\.host: host jobs are disabled/m);
    });

    it('L21: run --job runs only the job and the jobs it depends on', async () => {
      const file = await write(
        'three.yaml',
        'workflow: [a, b, c]\na: { image: busybox, script: echo one }\nb: { image: busybox, script: echo two }\n' +
          'c: { image: busybox, script: echo three }\n',
      );
      const { stdout, code } = await distillery(['run', '--plain', '--job', 'b', file]);
      expect([stdout, code]).to.deep.equal(['[a] one\n[b] two\n', 0]);
    });

    it('run prints one line per diagnostic of a pipeline that the gateway rejects', async () => {
      const { code, stderr } = await distillery([
        'run',
        await write(
          'host.yaml',
          'workflow: [a, b]\na: { host: true, script: id }\nb: { image: x, network: host, script: x }',
        ),
      ]);
      expect(code).to.equal(2);
      expect(stderr).to.match(
        /^rejected, host\.yaml:2:\d+: a\.host: host jobs are disabled.*\nhost\.yaml:3:\d+: b\.network: .*$/m,
      );
    });

    it('run reports a configuration of the gateway in one line', async () => {
      const file = await write('some.yaml', 'http: { api: true }\ncalls: { a: { process: [id] } }\n');
      const { code, stderr } = await distillery(['run', file]);
      expect(code).not.to.equal(0);
      expect(stderr).to.equal(
        `distillery: ${file} is a configuration of the gateway, not a pipeline; ` +
          `"distillery validate ${file}" checks it\n`,
      );
    });

    it('run reports that no gateway answers', async () => {
      const { code, stderr } = await distillery(['run', await write('two.yaml', two), '--url', 'http://127.0.0.1:1']);
      expect(code).to.equal(125);
      expect(stderr).to.match(/cannot connect to .*\nIs the gateway running/);
    });

    it(
      ['run sends the folder if a job needs it, with links, empty folders and modes, but no ', 'ignored files'].join(
        '',
      ),
      async () => {
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
        expect(stdout.split('\n')).to.deep.equal(
          [
            '.',
            './.distilleryignore',
            './files.yaml',
            './link',
            './run.sh',
            './sub',
            './sub/empty',
            './sub/file',
            'content',
            'link -> sub/file',
            '',
          ].map((line) => (line === '' ? '' : `[look] ${line}`)),
        );
        expect(stderr).to.match(/^sent 5 files \(\d+ bytes\) of \/.*; largest: files\.yaml \(\d+ bytes\)$/m);
        expect((await lstat(join(folder, 'link'))).isSymbolicLink()).to.equal(true);
      },
    );

    describe('files that are seldom meant to be sent', () => {
      const list =
        'workflow: [look]\nlook: { image: "busybox:latest", copyFiles: true, workDir: /w, script: "find . -type f" }';
      const git = (...args: readonly string[]): void =>
        void execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: folder });

      beforeEach(async () => {
        git('init', '--quiet');
        await mkdir(join(folder, 'sub/node_modules/x'), { recursive: true });
        await write('list.yaml', list);
        await write('sub/node_modules/x/index.js', 'x'.repeat(2_048));
        await write('.env', 'TOKEN=secret\n');
        await write('sub/kept', 'kept\n');
        git('add', 'list.yaml', 'sub/kept');
        git('commit', '--quiet', '--message', 'files');
        await write('sub/kept', 'changed\n');
      });

      it('L17: a warning lists .git, node_modules and .env with sizes, and the summary names the folder', async () => {
        const { stderr, code } = await distillery(['run', 'list.yaml']);
        expect(code, stderr).to.equal(0);
        expect(stderr).to.match(/^sent \d+ files \([\d.]+ KiB\) of \/.*; largest: \.git \([\d.]+ KiB\)$/m);
        expect(stderr).to.match(
          new RegExp(
            '^warning: also sent \\.git \\([\\d.]+ KiB\\), sub/node_modules \\(2\\.0 KiB\\), \\.env \\(13 bytes\\): ' +
              'list what to leave out in \\.distilleryignore, or send only what git tracks with --git$',
            'm',
          ),
        );
      });

      it('L17: an ignore file excludes what it lists, and there is no warning', async () => {
        await write('.distilleryignore', '.git/\nnode_modules/\n');
        const { stdout, stderr } = await distillery(['run', 'list.yaml']);
        expect(stderr).not.to.contain('also sent');
        expect(stdout).to.contain('./.env').and.not.to.contain('node_modules');
      });

      it('L17: run --git sends only what git tracks, as it is on disk', async () => {
        const { stdout, stderr } = await distillery(['run', '--git', 'list.yaml']);
        expect(stdout.split('\n').sort()).to.deep.equal(['', '[look] ./list.yaml', '[look] ./sub/kept']);
        expect(stderr)
          .to.match(/^sent 2 files /m)
          .and.not.to.contain('also sent');
        const below = await distillery(['run', '--git', '--workspace', 'sub', 'list.yaml']);
        expect(below.stdout).to.equal('[look] ./kept\n');
      });

      it('L17: run --git without a git folder is an error before the run starts', async () => {
        await rm(join(folder, '.git'), { recursive: true });
        const { stdout, stderr, code } = await distillery(['run', '--git', 'list.yaml']);
        expect([stdout, code]).to.deep.equal(['', 1]);
        expect(stderr).to.match(/^distillery: cannot send what git tracks in "\.": fatal: not a git repository/);
      });
    });

    it('run sends the folder of --workspace or no folder, or uses a folder of the gateway', async () => {
      const list = await write(
        'list.yaml',
        'workflow: [look]\nlook: { image: "busybox:latest", copyFiles: true, script: ls }',
      );
      await mkdir(join(folder, 'other'));
      await write('other/here', '');
      expect((await distillery(['run', '-q', list, '--workspace', 'other'])).stdout).to.equal('[look] here\n');
      const none = await distillery(['run', '-q', list, '-w', 'none']);
      expect([none.stdout, none.code]).to.deep.equal(['', 0]);
      expect((await distillery(['run', '-q', list, '--gateway-workspace', gateway.folder])).stdout).to.contain(
        '[look] distillery.yaml\n',
      );
      expect((await distillery(['run', '-q', list, '--gateway-workspace', '/etc'])).code).to.equal(2);
      const nowhere = await distillery(['run', list, '--workspace', 'nowhere']);
      expect([nowhere.code, nowhere.stderr]).to.deep.equal([1, 'distillery: folder "nowhere" does not exist\n']);
    });

    it('run sends a large folder no faster than the gateway reads', async () => {
      await writeFile(
        join(folder, 'large'),
        Buffer.alloc(20 << 20, 'some text that is not always the same 0123456789\n'),
      );
      const sum = await write(
        'sum.yaml',
        'workflow: [sum]\nsum: { image: "busybox:latest", copyFiles: true, script: "wc -c < large" }',
      );
      expect((await distillery(['run', '-q', sum])).stdout).to.equal(`[sum] ${20 << 20}\n`);
    });

    it('run survives lost connections: files arrive complete, and each line arrives once', async () => {
      await writeFile(join(folder, 'large'), randomBytes(3 << 20));
      const cuts: DropRule[] = [
        { direction: 'up', afterBytes: 700_000 },
        { direction: 'up', afterBytes: 1_200_000 },
        { direction: 'down', afterBytes: 6_000 },
        { direction: 'down', afterBytes: 3_000 },
      ];
      const proxy = await startDroppingProxy(gateway.url, () => cuts.shift());
      try {
        const count = await write(
          'count.yaml',
          `workflow: [count]
count: { image: "busybox:latest", copyFiles: true, script: ["wc -c < large", "seq 5000"] }`,
        );
        const { stdout, stderr, code } = await distillery(['run', count, '--url', proxy.url]);
        expect(code, stderr).to.equal(0);
        expect(stdout).to.equal(
          `[count] ${3 << 20}\n${Array.from({ length: 5_000 }, (_, at) => `[count] ${at + 1}\n`).join('')}`,
        );
        expect(stderr).to.match(
          /connection lost; reconnecting\n(.*\n)*reconnected; the output resumes where it stopped/,
        );
        expect(proxy.countDrops()).to.equal(4);
      } finally {
        await proxy.close();
      }
    });

    it('the command run stops sending files when the run stops reading', async () => {
      await writeFile(join(folder, 'large'), randomBytes(20 << 20));
      const small = await startTestGateway(
        `docker: { host: "${await sharedEngineHost()}" }\nlimits: { workspaceBytesMax: 1m }`,
      );
      try {
        const sum = await write(
          'sum.yaml',
          'workflow: [sum]\nsum: { image: "busybox:latest", copyFiles: true, script: "wc -c < large" }',
        );
        const { code, stderr } = await distillery(['run', sum, '--url', small.url]);
        expect(code).to.equal(1);
        expect(stderr).not.to.match(/^sent /m);
        expect(stderr).to.match(/^failed, .*workspaceBytesMax|^failed, .*1m/m);
      } finally {
        await small.stop();
      }
    });

    it('run --json prints everything as JSON, the result last', async () => {
      const { stdout, code } = await distillery(['run', '--json', await write('two.yaml', two)]);
      expect(code).to.equal(0);
      const items = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(items.filter(({ line }) => line !== undefined)).to.deep.equal([
        { line: 'first of ', stream: 'stdout', job: 'one' },
        { line: 'second found', stream: 'stdout', job: 'two' },
      ]);
      expect(items.at(-1)).to.have.nested.property('result.value.outputs').that.deep.equals({ WORD: 'found' });
    });

    it('run --detach exits as soon as the files are sent, and the run continues', async () => {
      await mkdir(join(folder, 'sub'));
      await write('sub/file', 'x\n');
      const { stdout, code, stderr } = await distillery([
        'run',
        '--detach',
        await write(
          'left.yaml',
          `workflow: [look, nap]
look: { image: "busybox:latest", copyFiles: true, script: ls sub }
nap: { image: "busybox:latest", script: "sleep 60" }`,
        ),
      ]);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^[a-z2-7]{20}\n$/);
      const run = stdout.trim();
      const watching = startCli(['attach', run], options());
      await watching.waitForMatch(/^\[look\] file\n/m);
      await distillery(['cancel', run]);
      expect((await watching.result).code).to.equal(130);
    });

    it('run waits for the receipt when Ctrl-C cancels it', async () => {
      const running = startCli(['run', await write('asleep.yaml', asleep)], options());
      await running.waitForMatch(/\[nap\] asleep/);
      running.child.kill('SIGINT');
      const { code, stderr } = await running.result;
      expect(code).to.equal(130);
      expect(stderr).to.match(
        /^\[nap\] cancelled in .*\n(.*\n)*cancelled, client requested cancellation\nclean: container nap_/m,
      );
    });

    it('run --result writes the result to a file', async () => {
      await distillery(['run', '-q', '--result', 'result.json', await write('two.yaml', two)]);
      expect(JSON.parse(await readFile(join(folder, 'result.json'), 'utf8'))).to.include({
        success: true,
        status: 'succeeded',
      });
    });

    for (const name of ['=x', 'A-B=x', 'A', '1=x']) {
      it(`run rejects the variable ${name}`, async () => {
        expect((await distillery(['run', 'x.yaml', '--var', name])).code).to.equal(2);
      });
    }
  });

  describe('distillery run at a terminal', () => {
    let pty: IPty | undefined;
    afterEach(() => {
      pty?.kill('SIGKILL');
      pty = undefined;
    });

    /** Runs the command at a pseudo-terminal. `waitFor` waits for text in its output, without escape sequences. */
    function open(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
      let text = '';
      let changed: () => void = () => {};
      const terminal = spawn('bash', ['-c', '"$@"; echo "code $?."', 'bash', process.execPath, cliPath, ...args], {
        cols: 70,
        rows: 12,
        cwd: folder,
        env: {
          PATH: process.env['PATH'],
          TMPDIR: process.env['TMPDIR'],
          DISTILLERY_URL: gateway.url,
          TERM: 'xterm',
          ...env,
        },
      });
      pty = terminal;
      terminal.onData((data) => {
        text += data;
        changed();
      });
      return {
        type: (keys: string) => terminal.write(keys),
        raw: () => text,
        async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
          const findMatch = (): RegExpExecArray | null => pattern.exec(text.replace(/\u001b\[[\d;?]*[A-Za-z]/g, ''));
          const said = new Promise<RegExpExecArray>((resolve) => {
            changed = () => {
              const match = findMatch();
              if (match !== null) resolve(match);
            };
            changed();
          });
          return withDeadline(`it says ${pattern}`, said, 30_000).catch((error: unknown) => {
            throw new Error(`${String(error)}; it said ${JSON.stringify(text)}`);
          });
        },
      };
    }

    it('run at a terminal shows a row per job, and at the end the last lines of failed jobs', async () => {
      const terminal = open(['run', await write('failing.yaml', failing)]);
      const [shown] = await terminal.waitFor(
        new RegExp(
          'ok +succeeded +[\\d.]+s {2}fine\\r\\n' +
            'bad +failed +[\\d.]+s {2}command execution failed \\(exit code 7\\)\\r\\n' +
            'never +skipped +bad failed\\r\\n(?!never)[^]*code 7\\.',
        ),
      );
      expect(shown).to.match(
        new RegExp(
          'last lines of bad:\\r\\n {2}one\\r\\n {2}two\\r\\n' +
            'failed, job "bad" failed: command execution failed \\(exit code 7\\)\\r\\nclean: ',
        ),
      );
      expect(terminal.raw()).to.match(/\u001b\[\d+A\u001b\[J/);
      expect(terminal.raw()).to.contain('\u001b[31m');
    });

    it("run at a terminal shows a job's last line, and Ctrl-C cancels the run", async () => {
      const terminal = open(['run', await write('asleep.yaml', asleep)]);
      await terminal.waitFor(/nap +running +[\d.]+s {2}asleep\r\n0 of 1 job ended: 1 running/);
      terminal.type('\u0003');
      await terminal.waitFor(
        /nap +cancelled +[\d.]+s\r\ncancelled, client requested cancellation\r\nclean: [^]*code 130\./,
      );
    });

    it('run at a terminal prints no colours with NO_COLOR and no rows with --plain', async () => {
      const terminal = open(['run', await write('two.yaml', two)], { NO_COLOR: '1' });
      await terminal.waitFor(/code 0\./);
      expect(terminal.raw()).not.to.match(/\u001b\[[\d;]*m/);
      pty?.kill('SIGKILL');
      const plain = open(['run', '--plain', 'two.yaml']);
      await plain.waitFor(/\[one\] first of \r\n[^]*\[two\] second found\r\n[^]*code 0\./);
      expect(plain.raw()).not.to.contain('\u001b[?7l');
    });
  });

  describe('distillery plan', () => {
    it('L21: plan --job prints only the job and the jobs it depends on', async () => {
      await write(
        'some.yaml',
        'build: { image: x, script: s, needs: [] }\n' +
          'test: { image: x, script: s, needs: [build], matrix: { v: [1, 2] } }\n' +
          'docs: { image: x, script: s, needs: [] }\n',
      );
      const plan = async (...names: readonly string[]) => {
        const { stdout, stderr, code } = await runCli(
          ['plan', 'some.yaml', '--json', ...names.flatMap((name) => ['--job', name])],
          { cwd: folder },
        );
        return code === 0
          ? (JSON.parse(stdout) as { jobs: { id: string }[] }).jobs.map(({ id }) => id)
          : [code, stderr];
      };
      expect(await plan('TEST')).to.deep.equal(['build', 'test (v=1)', 'test (v=2)']);
      expect(await plan('test (v=2)')).to.deep.equal(['build', 'test (v=2)']);
      expect(await plan('docs', 'build')).to.deep.equal(['build', 'docs']);
      const [code, stderr] = await plan('doc');
      expect(code).to.equal(2);
      expect(stderr).to.match(
        /some\.yaml: error: the pipeline has no job 'doc' that could run\n.*did you mean 'docs'\?/s,
      );
    });

    it('plan prints stages and jobs without a gateway', async () => {
      const file = await write(
        'plan.yaml',
        `workflow: [a, b, c, d]
a: { image: x, retry: { attempts: 3 }, script: x }
b: { image: y, parallel: true, condition: $GO == "yes", script: x }
c: { host: true, parallel: true, timeout: 90, script: x }
d: { dockerfile: Dockerfile }`,
      );
      const { stdout, stderr, code } = await runCli(['plan', file, '--var', 'GO=yes'], { cwd: folder });
      expect([stderr, code]).to.deep.equal(['', 0]);
      expect(stdout).to.equal(
        [
          'stage 1',
          '  a  (x)',
          '      up to 3 attempts',
          'stage 2',
          '  b  (y)',
          '      after a',
          '      if $GO == "yes" (true for these variables)',
          '  c  (on the host)',
          '      after a',
          '      timeout 90 s per attempt',
          'stage 3',
          '  d  (built from Dockerfile)',
          '      after b, c',
          '',
        ].join('\n'),
      );
    });

    it('plan prints JSON', async () => {
      const { stdout } = await runCli(['plan', '--json', '-f', await write('two.yaml', two)], { cwd: folder });
      expect(JSON.parse(stdout)).to.deep.equal({
        jobs: [
          { id: 'one', name: 'one', after: [], stage: 0, base: { image: 'busybox:latest' } },
          { id: 'two', name: 'two', after: ['one'], stage: 1, base: { image: 'busybox:latest' } },
        ],
        stages: [['one'], ['two']],
        wantsFiles: false,
      });
    });

    it('plan prints every diagnostic with its line and a caret on stderr', async () => {
      const { stdout, stderr, code } = await runCli(
        ['plan', await write('bad.yaml', 'workflow: [a, b]\na: { script: x }\nb: { script: y }\n')],
        { cwd: folder },
      );
      expect([stdout, code]).to.deep.equal(['', 2]);
      expect(stderr).to.match(
        new RegExp(
          '^bad\\.yaml:2:1: error: a\\..*\\n {4}a: \\{ script: x \\}\\n {4}\\^+\\n {4}hint: .*\\n' +
            'bad\\.yaml:3:1: error: b\\..*\\n {4}b: \\{ script: y \\}\\n {4}\\^+\\n {4}hint: .*\\n$',
        ),
      );
      expect((await runCli(['plan', 'nowhere.yaml'], { cwd: folder })).code).to.equal(2);
    });
  });

  describe('distillery validate', () => {
    it('L10: validate takes -f, and checks the default file of the command run if no file is named', async () => {
      await write('two.yaml', two);
      const named = await runCli(['validate', '-f', 'two.yaml'], { cwd: folder });
      expect([named.stdout, named.code]).to.deep.equal(['two.yaml: valid (2 jobs, 2 stages)\n', 0]);
      const empty = join(folder, 'defaults');
      await mkdir(empty);
      const validate = () => runCli(['validate'], { cwd: empty });
      const none = await validate();
      expect([none.stdout, none.code]).to.deep.equal(['', 2]);
      expect(none.stderr).to.contain('found neither pipeline.yaml nor pin.yaml in this folder');
      await writeFile(join(empty, 'distillery.yaml'), 'calls: { a: { process: [ls] } }\n');
      expect((await validate()).stdout).to.match(/^distillery\.yaml: valid \(1 call/);
      await writeFile(join(empty, 'pin.yaml'), two);
      expect((await validate()).stdout).to.equal('pin.yaml: valid (2 jobs, 2 stages)\n');
      await writeFile(join(empty, 'pipeline.yaml'), 'workflow: [a]\na: { image: x, script: x }\n');
      expect((await validate()).stdout).to.equal('pipeline.yaml: valid (1 job, 1 stage)\n');
    });

    it('L4: validate, plan and run report the same diagnostic for bytes that are not UTF-8 text', async () => {
      const text = 'workflow: [a]\n# caf\u00e9\na: { image: x, script: x }\n';
      const encoded = {
        'latin1.yaml': Buffer.from(text, 'latin1'),
        'utf16le.yaml': Buffer.from(`\ufeff${text}`, 'utf16le'),
        'utf16be.yaml': Buffer.from(text, 'utf16le').swap16(),
        'nul.yaml': Buffer.from(text.replace('# caf', '# \0')),
      };
      const expected: Readonly<Record<string, RegExp>> = {
        'latin1.yaml': /latin1\.yaml:2:1: the file is not UTF-8; save it in this encoding/,
        'utf16le.yaml': /utf16le\.yaml:1:1: the file is UTF-16; save it as UTF-8/,
        'utf16be.yaml': /utf16be\.yaml:1:1: the file is UTF-16; save it as UTF-8/,
        'nul.yaml': /nul\.yaml:2:3: .*the text has a NUL character; remove it/,
      };
      for (const [name, bytes] of Object.entries(encoded)) {
        await writeFile(join(folder, name), bytes);
        for (const [command, code] of [
          [['validate', '--pipeline'], 2],
          [['plan'], 2],
          [['run'], 1],
        ] as const) {
          const result = await runCli([...command, name], { cwd: folder });
          expect([result.stdout, result.code], `${command[0]} ${name}`).to.deep.equal(['', code]);
          expect(result.stderr, `${command[0]} ${name}`).to.match(expected[name]!);
        }
      }
      await writeFile(join(folder, 'bom.yaml'), `\ufeff${text}`);
      expect((await runCli(['validate', 'bom.yaml'], { cwd: folder })).code).to.equal(0);
    });

    it('validate recognises a pipeline by its keys', async () => {
      const good = await runCli(['validate', await write('two.yaml', two)], { cwd: folder });
      expect([good.stdout, good.code]).to.deep.equal(['two.yaml: valid (2 jobs, 2 stages)\n', 0]);
      const bad = await runCli(['validate', await write('bad.yaml', 'workflow: a\na: { script: x }')], { cwd: folder });
      expect([bad.stdout, bad.code]).to.deep.equal(['', 2]);
      expect(bad.stderr).to.match(/^bad\.yaml:2:1: error: a\./);
      expect(
        (
          await runCli(
            ['validate', '--pipeline', await write('odd.yaml', 'http: { image: x, needs: [], script: x }')],
            {
              cwd: folder,
            },
          )
        ).code,
      ).to.equal(0);
    });

    it('validate checks the pipelines of a configuration', async () => {
      await mkdir(join(folder, 'ci'));
      await write('ci/bad.yaml', 'workflow: [a]\na: { script: x }\n');
      const { stderr, code } = await runCli(
        ['validate', await write('distillery.yaml', 'calls: { a: { pipeline: ci/bad.yaml } }')],
        { cwd: folder },
      );
      expect(code).to.equal(2);
      expect(stderr).to.match(/^ci\/bad\.yaml:2:1: error: a\..*\n {4}a: \{ script: x \}\n {4}\^/);
    });
  });

  describe('distillery validate of a file with warnings', () => {
    it('validate accepts a file with warnings and prints them on stderr', async () => {
      await write('odd.yaml', 'workflow: [a]\na: { image: x, colour: red, script: x }\n');
      const pipeline = await runCli(['validate', 'odd.yaml'], { cwd: folder });
      expect([pipeline.code, pipeline.stdout]).to.deep.equal([0, 'odd.yaml: valid (1 job, 1 stage)\n']);
      expect(pipeline.stderr).to.match(
        /^odd\.yaml:2:16: warning: a\.colour: .*\n {4}a: \{ image: x, colour: red, script: x \}\n {19}\^/,
      );
      const whole = await runCli(['validate', await write('distillery.yaml', 'calls: { a: { pipeline: odd.yaml } }')], {
        cwd: folder,
      });
      expect([whole.code, whole.stderr]).to.deep.equal([0, pipeline.stderr]);
    });
  });

  describe('distillery init', () => {
    it('init writes a pipeline that runs successfully', async () => {
      const made = await distillery(['init']);
      expect([made.stdout, made.code]).to.deep.equal(['Created pipeline.yaml\nCreated .distilleryignore\n', 0]);
      const { stdout, stderr, code } = await distillery(['run']);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/\[report\] there are 2 files\n$/);
    });

    it('L17: init writes an ignore file, and keeps an existing one', async () => {
      await distillery(['init']);
      expect(await readFile(join(folder, '.distilleryignore'), 'utf8')).to.contain('.git/\nnode_modules/\n.env\n');
      await write('.distilleryignore', 'mine');
      expect((await distillery(['init', '--force'])).stdout).to.equal('Created pipeline.yaml\n');
      expect(await readFile(join(folder, '.distilleryignore'), 'utf8')).to.equal('mine');
    });

    it('init keeps an existing file unless --force is set', async () => {
      await write('mine.yaml', 'mine');
      const initResult = await distillery(['init', '-f', 'mine.yaml']);
      expect([initResult.stdout, initResult.stderr, initResult.code]).to.deep.equal([
        '',
        'distillery: mine.yaml already exists; use --force to overwrite\n',
        1,
      ]);
      expect(await readFile(join(folder, 'mine.yaml'), 'utf8')).to.equal('mine');
      expect((await distillery(['init', '-f', 'mine.yaml', '--force'])).code).to.equal(0);
      expect(await readFile(join(folder, 'mine.yaml'), 'utf8')).to.match(/^workflow: /m);
    });
  });
});
