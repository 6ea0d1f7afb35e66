// The pin door as people use it with curl, on real containers.

import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containersLeft } from '../helpers/leftovers.ts';
import { until } from '../helpers/until.ts';
import { busybox, program, startPinGateway, twoJobs, type PinGateway } from './pin-gateway.ts';

describe('curl at the pin door', function () {
  this.timeout(120_000);
  let gateway: PinGateway;
  let file: string;
  before(async () => {
    gateway = await startPinGateway();
    file = await gateway.file('pin.yaml', twoJobs);
  });
  after(() => gateway.stop());

  const curl = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await program('curl', ['-sS', '--noproxy', '*', ...args]);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };

  it('triggers with a file, and reads what became of it', async () => {
    const { run_id: id } = JSON.parse(await curl('--data-binary', `@${file}`, '-H', 'Content-Type: application/yaml', `${gateway.pin}/trigger`)) as { run_id: string };
    const record = await gateway.over(id);
    expect(record.status, JSON.stringify(record)).to.equal('success');
    expect(record.jobs.map(({ name, status, exit_code }) => [name, status, exit_code])).to.deep.equal([['Build', 'success', 0], ['test', 'success', 0]]);
    const logs = await curl(`${gateway.pin}/runs/${id}/logs`);
    expect(logs).to.match(/ \[stdout\] \[Build\] hello world\n/).and.match(/ \[stdout\] \[test\] out\n/).and.match(/ \[stderr\] \[test\] err\n/);
    expect(logs).to.match(/ \[info\] \[Build\] Image is available\n/).and.match(/ \[success\] \[test\] Job completed successfully\n/);
    expect(await containersLeft(id)).to.deep.equal([]);
  });

  it('without a content type of its own, too', async () => {
    expect(JSON.parse(await curl('--data-binary', `@${file}`, `${gateway.pin}/trigger?wait=true`))).to.include({ status: 'success' });
  });

  it('watches with -N', async () => {
    const watching = spawn('curl', ['-sSN', '--noproxy', '*', `${gateway.pin}/events`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(watching, 'close');
    let heard = '';
    watching.stdout.setEncoding('utf8').on('data', (text: string) => { heard += text; });
    await until('it is connected', () => heard.includes('event: connection'));
    await gateway.trigger(twoJobs);
    await until('it is over', () => heard.includes('event: pipeline_complete'), 60_000);
    watching.kill();
    await ended;
    expect(heard).to.match(/^id: \d+\nevent: connection\ndata: \{.*\}\n\n/);
    const statuses = [...heard.matchAll(/^data: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json!) as { job?: string; message: string }).filter(({ job }) => job === 'test');
    expect(statuses.map(({ message }) => message).filter((message) => message !== 'out' && message !== 'err')).to.deep.equal([
      'Image is available', 'Start creating container', 'Starting the container', 'Container started', 'soloExecution disabled, shell command started!',
      'Command execution successful', 'Container removing', 'Container removed', 'Job ended', 'Job completed successfully',
    ]);
  });

  it('pin defect 24: sends files, which a job finds; and takes what it made', async () => {
    const folder = join(gateway.folder, 'sent');
    await mkdir(join(folder, 'src'), { recursive: true });
    await writeFile(join(folder, 'src', 'greeting.txt'), 'from afar');
    await gateway.file('copy.yaml', `workflow: [copy]\ncopy: { image: '${busybox}', copyFiles: true, workDir: /code, script: ['cat src/greeting.txt', 'mkdir -p out/deep', 'cp src/greeting.txt out/deep/'], artifactPath: /code/out }\n`);
    for (const flags of ['-c', '-cz']) {
      const tar = join(gateway.folder, 'files.tar');
      await program('tar', [flags, '-f', tar, '-C', folder, '.']);
      const record = JSON.parse(await curl('-F', `pipeline=@${join(gateway.folder, 'copy.yaml')}`, '-F', `files=@${tar}`, `${gateway.pin}/trigger?wait=true`)) as { id: string; status: string };
      expect(record.status, JSON.stringify(record)).to.equal('success');
      expect(await curl(`${gateway.pin}/runs/${record.id}/logs`)).to.contain('[stdout] [copy] from afar');
      const kept = join(gateway.folder, 'kept.tar');
      await curl('-o', kept, `${gateway.pin}/runs/${record.id}/artifacts`);
      const { stdout } = await program('tar', ['-tf', kept]);
      expect(stdout).to.match(/copy\/out\/deep\/greeting\.txt$/m);
    }
  });

  it('pin defect 19: cannot run a job on the machine, or send what is too large', async () => {
    const answer = await curl('--data-binary', 'workflow: [a]\na: { host: true, script: id }\n', '-w', '\n%{http_code}', `${gateway.pin}/trigger`);
    expect(answer).to.match(/\n400$/).and.contain('host jobs are disabled');
    await gateway.file('large.yaml', '#'.repeat(2 << 20));
    expect(await curl('--data-binary', `@${join(gateway.folder, 'large.yaml')}`, '-w', '\n%{http_code}', `${gateway.pin}/trigger`)).to.match(/body_too_large.*\n413$/s);
  });

  it('pin defect 8: is told where the YAML is broken', async () => {
    const answer = await curl('--data-binary', 'workflow: [a\na: {\n', '-w', '\n%{http_code}', `${gateway.pin}/trigger`);
    expect(answer).to.match(/\n400$/);
    const { error, message, errors } = JSON.parse(answer.slice(0, answer.lastIndexOf('\n'))) as { error: string; message: string; errors: { line: number; column: number }[] };
    expect(error).to.equal('invalid_yaml');
    expect(message).to.match(/^failed to parse YAML configuration: /);
    expect(errors[0]!.line).to.be.greaterThan(0);
  });

  it('pin defect 22: is told all that is wrong, with places, and as it was spelled', async () => {
    const text = `workflow: [Build, Ship]\nbuild:\n  Image: ''\n  Script: [1]\nship:\n  copyfiles: maybe\n  image: ${busybox}\n`;
    const { errors } = JSON.parse(await curl('--data-binary', text, `${gateway.pin}/trigger`)) as { errors: { line: number; column: number; job: string; field: string; message: string }[] };
    expect(errors.map(({ line, job, field }) => [line, job, field])).to.deep.equal([[3, 'Build', 'Image'], [4, 'Build', 'Script'], [6, 'Ship', 'copyfiles']]);
    expect(errors.every(({ column }) => column > 0)).to.equal(true);
  });

  it('pin defect 25: cancels what would take a minute, and nothing is left', async () => {
    const id = await gateway.trigger(`workflow: [a]\na: { image: '${busybox}', script: 'echo begun; sleep 60' }\n`);
    await until('it has begun', async () => (await gateway.logs(id)).includes('[stdout] [a] begun'), 30_000);
    expect(JSON.parse(await curl('-X', 'POST', `${gateway.pin}/runs/${id}/cancel`))).to.deep.equal({ status: 'cancelling', run_id: id });
    expect(await gateway.over(id)).to.include({ status: 'cancelled' });
    expect(await containersLeft(id)).to.deep.equal([]);
  });

  it('pin defect 9: reads a line long before the job ends', async () => {
    const id = await gateway.trigger(`workflow: [a]\na: { image: '${busybox}', script: ['echo a', 'sleep 2', 'echo b'] }\n`);
    await gateway.over(id);
    const at = (text: string, line: string): number => Date.parse(new RegExp(`^(\\S+) \\[stdout\\] \\[a\\] ${line}$`, 'm').exec(text)![1]!);
    const logs = await gateway.logs(id);
    expect(at(logs, 'b') - at(logs, 'a')).to.be.at.least(1000);
  });

  it('pin defect 1: skips all that comes after a failure', async () => {
    const text = `workflow: [a, b, c]\na: { image: '${busybox}', script: 'exit 3' }\nb: { image: '${busybox}', script: 'echo b' }\nc: { image: '${busybox}', script: 'echo c' }\n`;
    const record = await gateway.over(await gateway.trigger(text));
    expect(record).to.include({ status: 'failed', error: "pipeline execution failed: job 'a' failed: command execution failed (exit code 3)" });
    expect(record.jobs.map(({ status, exit_code }) => [status, exit_code])).to.deep.equal([['failed', 3], ['skipped', undefined], ['skipped', undefined]]);
    expect(await gateway.logs(record.id)).to.match(/ \[info\] \[c\] Job skipped: job 'a' failed\n/);
  });

  it('pin defect 14: fails with the command that failed, unless it is told not to mind', async () => {
    const job = (more: string): string => `workflow: [a]\na: { image: '${busybox}', script: ['false', 'echo on'] ${more} }\n`;
    expect(await gateway.over(await gateway.trigger(job('')))).to.include({ status: 'failed' });
    expect(await gateway.over(await gateway.trigger(job(', errexit: false')))).to.include({ status: 'success' });
  });

  it('pin defect 26: pulls no image that is there without its tag, and fails where it cannot be pulled', async () => {
    const there = await gateway.over(await gateway.trigger('workflow: [a]\na: { image: busybox, script: echo a }\n'));
    expect(there.status).to.equal('success');
    expect(await gateway.logs(there.id)).to.contain('Image is available').and.not.contain('Image pulling');
    const missing = await gateway.over(await gateway.trigger('workflow: [a]\na: { image: "127.0.0.1:1/nothing", script: echo a }\n'));
    expect(missing.status).to.equal('failed');
    expect(await gateway.logs(missing.id)).to.match(/ \[info\] \[a\] Image pulling: 127\.0\.0\.1:1\/nothing(:latest)?\n\S+ \[info\] \[a\] Waiting for docker response\.\.\.\n/);
  });

  it('pin defect 13: takes whole numbers for backoff, and says what a line with a colon became', async () => {
    const retried = await gateway.over(await gateway.trigger(`workflow: [a]\na: { image: '${busybox}', script: 'false', retry: { attempts: 2, delay: 0, backoff: 2 } }\n`));
    expect(retried.jobs[0]).to.include({ status: 'failed', attempts: 2 });
    expect(await gateway.logs(retried.id)).to.match(/ Job failed \(attempt 1\/2\), retrying in 0s: command execution failed \(exit code 1\)\n/).and.contain(' Job failed after 2 attempts\n');
    await gateway.file('colon.yaml', `workflow: [a]\na:\n  image: ${busybox}\n  script:\n    - echo "A: b"\n`);
    const { message, details, errors } = JSON.parse(await curl('--data-binary', `@${join(gateway.folder, 'colon.yaml')}`, `${gateway.pin}/trigger`)) as { message: string; details: object; errors: { suggestions: string[] }[] };
    expect(message).to.equal('Pipeline validation failed: all script items must be strings, found mapping at index 0');
    expect(details).to.include({ line: 5 });
    expect(errors[0]!.suggestions.join()).to.match(/quote/i);
  });
});
