// Tests the options with which a container is created.

import { expect } from 'chai';
import { type ContainerSpec, WorkFailed } from '../../calls/contract/engines.ts';
import { createOptions, parseImageReference, stepCreateOptions } from '../../server/docker/create-options.ts';

const identity = { run: 'r1', gateway: 'g1', stop: { signal: 'SIGINT', graceMs: 100 }, podman: false } as const;

function host(spec: Partial<ContainerSpec>, podman = false): Record<string, unknown> {
  return createOptions({ image: 'busybox', ...spec }, { ...identity, podman }).HostConfig as Record<string, unknown>;
}

describe('docker: create options', () => {
  it('a container has labels for its run and gateway, and the stop signal of the run', () => {
    const body = createOptions({ image: 'busybox' }, identity);
    expect(body.Labels).to.deep.equal({ 'distillery.run': 'r1', 'distillery.gateway': 'g1' });
    expect(body.StopSignal).to.equal('SIGINT');
  });

  it('a container has an init, the engine stores its output, and the engine never removes the container', () => {
    expect(host({})).to.deep.include({
      Init: true,
      AutoRemove: false,
      NetworkMode: 'bridge',
      LogConfig: { Type: 'json-file', Config: {} },
    });
  });

  it('the options for Podman omit what Podman lacks', () => {
    expect(host({}, true)).to.not.have.any.keys('LogConfig');
  });

  it('the image provides command, entrypoint, user and workdir when the spec does not', () => {
    expect(createOptions({ image: 'busybox' }, identity)).to.not.have.any.keys(
      'Cmd',
      'Entrypoint',
      'User',
      'WorkingDir',
    );
  });

  it('the command is passed unchanged', () => {
    const body = createOptions(
      { image: 'x', command: ['echo', '$(a) "b"', '-c'], env: { A: 'b=c d', E: '' }, entrypoint: ['/e'] },
      identity,
    );
    expect(body).to.deep.include({ Cmd: ['echo', '$(a) "b"', '-c'], Entrypoint: ['/e'] });
    expect(body.Env).to.include.members(['A=b=c d', 'E=']);
  });

  it('P4: the init passes signals to the process group, unless the spec sets TINI_KILL_PROCESS_GROUP', () => {
    expect(createOptions({ image: 'x' }, identity).Env).to.deep.equal(['TINI_KILL_PROCESS_GROUP=1']);
    const env = { TINI_KILL_PROCESS_GROUP: 'x' };
    expect(createOptions({ image: 'x', env }, identity).Env).to.deep.equal(['TINI_KILL_PROCESS_GROUP=x']);
  });

  it("limits are converted to the engine's units, without additional swap", () => {
    expect(host({ memoryBytes: 1024, cpus: 0.5, pidsMax: 9 })).to.deep.include({
      Memory: 1024,
      MemorySwap: 1024,
      NanoCpus: 500_000_000,
      PidsLimit: 9,
    });
  });

  it('a read-only container has a writable /tmp', () => {
    expect(host({ readOnly: true })).to.deep.include({ ReadonlyRootfs: true, Tmpfs: { '/tmp': 'mode=1777' } });
  });

  it('host paths become bind mounts and names become volumes', () => {
    expect(host({ volumes: ['/srv/in:/in:ro', 'cache:/cache', '/out:/out:rw'] })['Mounts']).to.deep.equal([
      { Type: 'bind', Source: '/srv/in', Target: '/in', ReadOnly: true },
      { Type: 'volume', Source: 'cache', Target: '/cache', ReadOnly: false },
      { Type: 'bind', Source: '/out', Target: '/out', ReadOnly: false },
    ]);
  });

  it('an invalid volume is rejected with the valid formats', () => {
    for (const volume of ['data', '/a:b', '/a:/b:zz', ':/b', '/a:/b:ro:ro']) {
      expect(() => host({ volumes: [volume] }), volume).to.throw(WorkFailed, `"${volume}" is not a valid volume`);
    }
  });

  it('an image name without a tag means the tag latest, not all tags', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const table: Record<string, { fromImage: string; tag: string }> = {
      busybox: { fromImage: 'busybox', tag: 'latest' },
      'busybox:1.36': { fromImage: 'busybox', tag: '1.36' },
      'host:5000/a/b': { fromImage: 'host:5000/a/b', tag: 'latest' },
      'host:5000/a/b:c': { fromImage: 'host:5000/a/b', tag: 'c' },
      [`a/b@${digest}`]: { fromImage: 'a/b', tag: digest },
    };
    for (const [image, reference] of Object.entries(table))
      expect(parseImageReference(image), image).to.deep.equal(reference);
  });

  describe('options of a step container', () => {
    const step = { name: 'n', job: 'build', image: 'busybox' } as const;

    it('a step container has the label of its job and those of its run', () => {
      expect(stepCreateOptions(step, identity).Labels).to.deep.equal({
        'distillery.run': 'r1',
        'distillery.gateway': 'g1',
        'distillery.job': 'build',
      });
    });

    it('a step container has no input, and the engine stores none of its output', () => {
      const body = stepCreateOptions(step, identity);
      expect(body).to.include({
        AttachStdin: false,
        OpenStdin: false,
        StdinOnce: false,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
      });
      expect(body.HostConfig?.LogConfig).to.deep.equal({ Type: 'none', Config: {} });
      expect(body.HostConfig).to.include({ Init: true, AutoRemove: false });
    });

    it('the options of a step container omit what Podman lacks', () => {
      expect(stepCreateOptions(step, { ...identity, podman: true }).HostConfig).to.not.have.any.keys('LogConfig');
    });

    it('each port of a step container is published separately', () => {
      const ports = [
        { hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 },
        { hostIp: '127.0.0.1', hostPort: 8081, containerPort: 80 },
        { hostIp: '0.0.0.0', hostPort: 8443, containerPort: 443 },
      ];
      const body = stepCreateOptions({ ...step, ports }, identity);
      expect(body.ExposedPorts).to.deep.equal({ '80/tcp': {}, '443/tcp': {} });
      expect(body.HostConfig?.PortBindings).to.deep.equal({
        '80/tcp': [
          { HostIp: '0.0.0.0', HostPort: '8080' },
          { HostIp: '127.0.0.1', HostPort: '8081' },
        ],
        '443/tcp': [{ HostIp: '0.0.0.0', HostPort: '8443' }],
      });
    });

    it('a step container has aliases on its network', () => {
      const body = stepCreateOptions({ ...step, network: 'own', aliases: ['db'] }, identity);
      expect(body.HostConfig?.NetworkMode).to.equal('own');
      expect(body.NetworkingConfig).to.deep.equal({ EndpointsConfig: { own: { Aliases: ['db'] } } });
    });

    it('the engine does not run the health check of the image', () => {
      expect(stepCreateOptions(step, identity).Healthcheck).to.deep.equal({ Test: ['NONE'] });
    });
  });
});
