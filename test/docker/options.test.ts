// What the engine is asked to create for a spec.

import { expect } from 'chai';
import { WorkFailed, type ContainerSpec } from '../../calls/contract/engines.ts';
import { createBody, imageReference, stepBody } from '../../server/docker/options.ts';

const identity = { run: 'r1', gateway: 'g1', stop: { signal: 'SIGINT', graceMs: 100 }, podman: false } as const;

function host(spec: Partial<ContainerSpec>, podman = false): Record<string, unknown> {
  return createBody({ image: 'busybox', ...spec }, { ...identity, podman }).HostConfig as Record<string, unknown>;
}

describe('docker options', () => {
  it('labels the container with its run and its gateway, and gives it the stop signal of the run', () => {
    const body = createBody({ image: 'busybox' }, identity);
    expect(body.Labels).to.deep.equal({ 'distillery.run': 'r1', 'distillery.gateway': 'g1' });
    expect(body.StopSignal).to.equal('SIGINT');
  });

  it('always has an init, a log that can be read again, and no removal by the engine', () => {
    expect(host({})).to.deep.include({ Init: true, AutoRemove: false, NetworkMode: 'bridge', LogConfig: { Type: 'json-file', Config: {} } });
  });

  it('leaves out what podman does not know', () => {
    expect(host({}, true)).to.not.have.any.keys('Init', 'LogConfig');
  });

  it('leaves command, entrypoint, user and workdir to the image when the spec does', () => {
    expect(createBody({ image: 'busybox' }, identity)).to.not.have.any.keys('Cmd', 'Entrypoint', 'User', 'WorkingDir');
  });

  it('passes words on as they are', () => {
    const body = createBody({ image: 'x', command: ['echo', '$(a) "b"', '-c'], env: { A: 'b=c d', E: '' }, entrypoint: ['/e'] }, identity);
    expect(body).to.deep.include({ Cmd: ['echo', '$(a) "b"', '-c'], Env: ['A=b=c d', 'E='], Entrypoint: ['/e'] });
  });

  it('turns limits into the engine\'s units, with no swap beyond the memory', () => {
    expect(host({ memoryBytes: 1024, cpus: 0.5, pidsMax: 9 })).to.deep.include({
      Memory: 1024, MemorySwap: 1024, NanoCpus: 500_000_000, PidsLimit: 9,
    });
  });

  it('gives a read-only container a /tmp to write to', () => {
    expect(host({ readOnly: true })).to.deep.include({ ReadonlyRootfs: true, Tmpfs: { '/tmp': 'mode=1777' } });
  });

  it('tells host paths and named volumes apart', () => {
    expect(host({ volumes: ['/srv/in:/in:ro', 'cache:/cache', '/out:/out:rw'] })['Mounts']).to.deep.equal([
      { Type: 'bind', Source: '/srv/in', Target: '/in', ReadOnly: true },
      { Type: 'volume', Source: 'cache', Target: '/cache', ReadOnly: false },
      { Type: 'bind', Source: '/out', Target: '/out', ReadOnly: false },
    ]);
  });

  it('says what a volume has to look like', () => {
    for (const volume of ['data', '/a:b', '/a:/b:zz', ':/b', '/a:/b:ro:ro']) {
      expect(() => host({ volumes: [volume] }), volume).to.throw(WorkFailed, `"${volume}" is no volume`);
    }
  });

  it('pulls one tag and never all of them', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const table: Record<string, { fromImage: string; tag: string }> = {
      busybox: { fromImage: 'busybox', tag: 'latest' },
      'busybox:1.36': { fromImage: 'busybox', tag: '1.36' },
      'host:5000/a/b': { fromImage: 'host:5000/a/b', tag: 'latest' },
      'host:5000/a/b:c': { fromImage: 'host:5000/a/b', tag: 'c' },
      [`a/b@${digest}`]: { fromImage: 'a/b', tag: digest },
    };
    for (const [image, reference] of Object.entries(table)) expect(imageReference(image), image).to.deep.equal(reference);
  });

  describe('of a step', () => {
    const step = { name: 'n', job: 'build', image: 'busybox' } as const;

    it('give it the label of its job beside those of its run', () => {
      expect(stepBody(step, identity).Labels).to.deep.equal({ 'distillery.run': 'r1', 'distillery.gateway': 'g1', 'distillery.job': 'build' });
    });

    it('give it no input, and keep no log of it', () => {
      const body = stepBody(step, identity);
      expect(body).to.include({ AttachStdin: false, OpenStdin: false, StdinOnce: false, AttachStdout: true, AttachStderr: true, Tty: false });
      expect(body.HostConfig?.LogConfig).to.deep.equal({ Type: 'none', Config: {} });
      expect(body.HostConfig).to.include({ Init: true, AutoRemove: false });
    });

    it('leave out what podman does not know', () => {
      expect(stepBody(step, { ...identity, podman: true }).HostConfig).to.not.have.any.keys('Init', 'LogConfig');
    });

    it('publish each port by itself', () => {
      const ports = [
        { hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }, { hostIp: '127.0.0.1', hostPort: 8081, containerPort: 80 },
        { hostIp: '0.0.0.0', hostPort: 8443, containerPort: 443 },
      ];
      const body = stepBody({ ...step, ports }, identity);
      expect(body.ExposedPorts).to.deep.equal({ '80/tcp': {}, '443/tcp': {} });
      expect(body.HostConfig?.PortBindings).to.deep.equal({
        '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }, { HostIp: '127.0.0.1', HostPort: '8081' }],
        '443/tcp': [{ HostIp: '0.0.0.0', HostPort: '8443' }],
      });
    });

    it('give it names on its network', () => {
      const body = stepBody({ ...step, network: 'own', aliases: ['db'] }, identity);
      expect(body.HostConfig?.NetworkMode).to.equal('own');
      expect(body.NetworkingConfig).to.deep.equal({ EndpointsConfig: { own: { Aliases: ['db'] } } });
    });

    it('look at its health in the engine\'s units, or not at all, whatever the image says', () => {
      const health = { command: 'pg_isready', intervalMs: 1_500, timeoutMs: 2_000, retries: 3, startMs: 10_000 };
      expect(stepBody({ ...step, health }, identity).Healthcheck).to.deep.equal({
        Test: ['CMD-SHELL', 'pg_isready'], Interval: 1_500_000_000, Timeout: 2_000_000_000, Retries: 3, StartPeriod: 10_000_000_000,
      });
      expect(stepBody(step, identity).Healthcheck).to.deep.equal({ Test: ['NONE'] });
    });
  });
});
