// Tests the pin API with curl and real containers.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { busybox, type PinGateway, runProgram, startPinGateway, twoJobs } from '../helpers/compat/pin-gateway.ts';
import { leftoverContainers } from '../helpers/leftovers.ts';
import { waitUntil } from '../helpers/wait-until.ts';

describe('curl at the pin API', function () {
  this.timeout(120_000);
  let gateway: PinGateway;
  let file: string;
  before(async () => {
    gateway = await startPinGateway();
    file = await gateway.writeFile('pin.yaml', twoJobs);
  });
  after(() => gateway.stop());

  const curl = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram('curl', ['-sS', '--noproxy', '*', ...args]);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };

  it('curl triggers a run with a file and reads its result', async () => {
    const { run_id: id } = JSON.parse(
      await curl('--data-binary', `@${file}`, '-H', 'Content-Type: application/yaml', `${gateway.pinUrl}/trigger`),
    ) as { run_id: string };
    const record = await gateway.waitForEnd(id);
    expect(record.status, JSON.stringify(record)).to.equal('success');
    expect(record.jobs.map(({ name, status, exit_code }) => [name, status, exit_code])).to.deep.equal([
      ['Build', 'success', 0],
      ['test', 'success', 0],
    ]);
    const logs = await curl(`${gateway.pinUrl}/runs/${id}/logs`);
    expect(logs)
      .to.match(/ \[stdout\] \[Build\] hello world\n/)
      .and.match(/ \[stdout\] \[test\] out\n/)
      .and.match(/ \[stderr\] \[test\] err\n/);
    expect(logs)
      .to.match(/ \[info\] \[Build\] Image is available\n/)
      .and.match(/ \[success\] \[test\] Job completed successfully\n/);
    expect(await leftoverContainers(id)).to.deep.equal([]);
  });

  it('curl can trigger a run without setting a content type', async () => {
    expect(JSON.parse(await curl('--data-binary', `@${file}`, `${gateway.pinUrl}/trigger?wait=true`))).to.include({
      status: 'success',
    });
  });

  it('curl watches events with -N', async () => {
    const curlEvents = spawn('curl', ['-sSN', '--noproxy', '*', `${gateway.pinUrl}/named/events`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(curlEvents, 'close');
    let received = '';
    curlEvents.stdout.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    await waitUntil('curl is connected', () => received.includes('event: connection'));
    await gateway.trigger(twoJobs);
    await waitUntil('the pipeline has ended', () => received.includes('event: pipeline_complete'), 60_000);
    curlEvents.kill();
    await ended;
    expect(received).to.match(/^id: \d+\nevent: connection\ndata: \{.*\}\n\n/);
    const statuses = [...received.matchAll(/^data: (\{.*\})$/gm)]
      .map(([, json]) => JSON.parse(json!) as { job?: string; message: string })
      .filter(({ job }) => job === 'test');
    expect(
      statuses.map(({ message }) => message).filter((message) => message !== 'out' && message !== 'err'),
    ).to.deep.equal([
      'Image is available',
      'Start creating container',
      'Starting the container',
      'Container started',
      'soloExecution disabled, shell command started!',
      'Command execution successful',
      'Container removing',
      'Container removed',
      'Job ended',
      'Job completed successfully',
    ]);
  });

  it('pin defect 24: curl sends files that a job reads, and downloads an artifact', async () => {
    const folder = join(gateway.folder, 'sent');
    await mkdir(join(folder, 'src'), { recursive: true });
    await writeFile(join(folder, 'src', 'greeting.txt'), 'from afar');
    await gateway.writeFile(
      'copy.yaml',
      `workflow: [copy]\ncopy: { image: '${busybox}', copyFiles: true, workDir: /code, artifactPath: /code/out,
        script: ['cat src/greeting.txt', 'mkdir -p out/deep', 'cp src/greeting.txt out/deep/'] }\n`,
    );
    for (const flags of ['-c', '-cz']) {
      const tar = join(gateway.folder, 'files.tar');
      await runProgram('tar', [flags, '-f', tar, '-C', folder, '.']);
      const record = JSON.parse(
        await curl(
          '-F',
          `pipeline=@${join(gateway.folder, 'copy.yaml')}`,
          '-F',
          `files=@${tar}`,
          `${gateway.pinUrl}/trigger?wait=true`,
        ),
      ) as { id: string; status: string };
      expect(record.status, JSON.stringify(record)).to.equal('success');
      expect(await curl(`${gateway.pinUrl}/runs/${record.id}/logs`)).to.contain('[stdout] [copy] from afar');
      const archive = join(gateway.folder, 'kept.tar');
      await curl('-o', archive, `${gateway.pinUrl}/runs/${record.id}/artifacts`);
      const { stdout } = await runProgram('tar', ['-tf', archive]);
      expect(stdout).to.match(/copy\/out\/deep\/greeting\.txt$/m);
    }
  });

  it('pin defect 19: curl cannot run a host job or send a text over the limit', async () => {
    const answer = await curl(
      '--data-binary',
      'workflow: [a]\na: { host: true, script: id }\n',
      '-w',
      '\n%{http_code}',
      `${gateway.pinUrl}/trigger`,
    );
    expect(answer)
      .to.match(/\n400$/)
      .and.contain('host jobs are disabled');
    await gateway.writeFile('large.yaml', '#'.repeat(2 << 20));
    expect(
      await curl(
        '--data-binary',
        `@${join(gateway.folder, 'large.yaml')}`,
        '-w',
        '\n%{http_code}',
        `${gateway.pinUrl}/trigger`,
      ),
    ).to.match(/body_too_large.*\n413$/s);
  });

  it('pin defect 8: curl receives the position of invalid YAML', async () => {
    const answer = await curl(
      '--data-binary',
      'workflow: [a\na: {\n',
      '-w',
      '\n%{http_code}',
      `${gateway.pinUrl}/trigger`,
    );
    expect(answer).to.match(/\n400$/);
    const { error, message, errors } = JSON.parse(answer.slice(0, answer.lastIndexOf('\n'))) as {
      error: string;
      message: string;
      errors: { line: number; column: number }[];
    };
    expect(error).to.equal('invalid_yaml');
    expect(message).to.match(/^failed to parse YAML configuration: /);
    expect(errors[0]!.line).to.be.greaterThan(0);
  });

  it('pin defect 22: curl receives all errors with their positions, as spelled in the file', async () => {
    const build = "build:\n  Image: ''\n  Script: [1]\n";
    const text = `workflow: [Build, Ship]\n${build}ship:\n  copyfiles: maybe\n  image: ${busybox}\n`;
    const { errors } = JSON.parse(await curl('--data-binary', text, `${gateway.pinUrl}/trigger`)) as {
      errors: { line: number; column: number; job: string; field: string; message: string }[];
    };
    expect(errors.map(({ line, job, field }) => [line, job, field])).to.deep.equal([
      [3, 'Build', 'Image'],
      [4, 'Build', 'Script'],
      [6, 'Ship', 'copyfiles'],
    ]);
    expect(errors.every(({ column }) => column > 0)).to.equal(true);
  });

  it('pin defect 25: curl cancels a job that would take a minute, and nothing is left', async () => {
    const id = await gateway.trigger(`workflow: [a]\na: { image: '${busybox}', script: 'echo begun; sleep 60' }\n`);
    await waitUntil('job a has begun', async () => (await gateway.logs(id)).includes('[stdout] [a] begun'), 30_000);
    expect(JSON.parse(await curl('-X', 'POST', `${gateway.pinUrl}/runs/${id}/cancel`))).to.deep.equal({
      status: 'cancelling',
      run_id: id,
    });
    expect(await gateway.waitForEnd(id)).to.include({ status: 'cancelled' });
    expect(await leftoverContainers(id)).to.deep.equal([]);
  });

  it('pin defect 9: curl receives a line long before the job ends', async () => {
    const id = await gateway.trigger(
      `workflow: [a]\na: { image: '${busybox}', script: ['echo a', 'sleep 2', 'echo b'] }\n`,
    );
    await gateway.waitForEnd(id);
    const at = (text: string, line: string): number =>
      Date.parse(new RegExp(`^(\\S+) \\[stdout\\] \\[a\\] ${line}$`, 'm').exec(text)![1]!);
    const logs = await gateway.logs(id);
    expect(at(logs, 'b') - at(logs, 'a')).to.be.at.least(1000);
  });

  it('pin defect 1: the pin API reports all jobs after a failure as skipped', async () => {
    const text = `workflow: [a, b, c]
a: { image: '${busybox}', script: 'exit 3' }
b: { image: '${busybox}', script: 'echo b' }
c: { image: '${busybox}', script: 'echo c' }
`;
    const record = await gateway.waitForEnd(await gateway.trigger(text));
    expect(record).to.include({
      status: 'failed',
      error: "pipeline execution failed: job 'a' failed: command execution failed (exit code 3)",
    });
    expect(record.jobs.map(({ status, exit_code }) => [status, exit_code])).to.deep.equal([
      ['failed', 3],
      ['skipped', undefined],
      ['skipped', undefined],
    ]);
    expect(await gateway.logs(record.id)).to.match(/ \[info\] \[c\] Job skipped: job 'a' failed\n/);
  });

  it('pin defect 14: a job fails at the failing command unless errexit is false', async () => {
    const job = (more: string): string =>
      `workflow: [a]\na: { image: '${busybox}', script: ['false', 'echo on'] ${more} }\n`;
    expect(await gateway.waitForEnd(await gateway.trigger(job('')))).to.include({ status: 'failed' });
    expect(await gateway.waitForEnd(await gateway.trigger(job(', errexit: false')))).to.include({ status: 'success' });
  });

  it('pin defect 26: a present image without a tag is not pulled, and a failed pull fails the job', async () => {
    const local = await gateway.waitForEnd(
      await gateway.trigger('workflow: [a]\na: { image: busybox, script: echo a }\n'),
    );
    expect(local.status).to.equal('success');
    expect(await gateway.logs(local.id))
      .to.contain('Image is available')
      .and.not.contain('Image pulling');
    const missing = await gateway.waitForEnd(
      await gateway.trigger('workflow: [a]\na: { image: "127.0.0.1:1/nothing", script: echo a }\n'),
    );
    expect(missing.status).to.equal('failed');
    const lines = (await gateway.logs(missing.id)).split('\n').map((line) => line.replace(/^\S+ /, ''));
    const pulling = lines.findIndex((line) =>
      /^\[info\] \[a\] Image pulling: 127\.0\.0\.1:1\/nothing(:latest)?$/.test(line),
    );
    expect(lines[pulling + 1]).to.equal('[info] [a] Waiting for docker response...');
  });

  it('pin defect 13: whole numbers are accepted for backoff, and a line with a colon is explained', async () => {
    const retried = await gateway.waitForEnd(
      await gateway.trigger(
        `workflow: [a]\na: { image: '${busybox}', script: 'false', retry: { attempts: 2, delay: 0, backoff: 2 } }\n`,
      ),
    );
    expect(retried.jobs[0]).to.include({ status: 'failed', attempts: 2 });
    expect(await gateway.logs(retried.id))
      .to.match(/ Job failed \(attempt 1\/2\), retrying in 0s: command execution failed \(exit code 1\)\n/)
      .and.contain(' Job failed after 2 attempts\n');
    await gateway.writeFile('colon.yaml', `workflow: [a]\na:\n  image: ${busybox}\n  script:\n    - echo "A: b"\n`);
    const { message, details, errors } = JSON.parse(
      await curl('--data-binary', `@${join(gateway.folder, 'colon.yaml')}`, `${gateway.pinUrl}/trigger`),
    ) as { message: string; details: object; errors: { suggestions: string[] }[] };
    expect(message).to.equal('Pipeline validation failed: all script items must be strings, found mapping at index 0');
    expect(details).to.include({ line: 5 });
    expect(errors[0]!.suggestions.join()).to.match(/quote/i);
  });
});
