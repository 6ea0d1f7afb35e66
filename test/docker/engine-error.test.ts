// Tests the readable texts for engine errors.

import { expect } from 'chai';
import { engineFailure, engineMessage } from '../../server/docker/engine-error.ts';

function engineError(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode}) unexpected - ${message} `), {
    statusCode,
    json: { message },
  });
}

describe('docker: engine errors', () => {
  it('engineMessage keeps the reason and drops the prefixes of the engine', () => {
    const endpoint = 'driver failed programming external connectivity on endpoint';
    const table: readonly (readonly [string, string])[] = [
      [
        'failed to create task for container: failed to create shim task: OCI runtime create failed: ' +
          'runc create failed: unable to start container process: ' +
          'exec: "nosuch": executable file not found in $PATH: unknown',
        'exec: "nosuch": executable file not found in $PATH',
      ],
      [
        'failed to create shim: OCI runtime create failed: container_linux.go:380: ' +
          'starting container process caused: exec: "x": permission denied: unknown',
        'exec: "x": permission denied',
      ],
      [
        `${endpoint} job_1 (12fcabfbd8d0095a03e37c5e360048faf74a11c454ab591456fa60a1cd785fe8): ` +
          'Bind for 0.0.0.0:8080 failed: port is already allocated',
        'port 0.0.0.0:8080 is already in use',
      ],
      [
        `failed to set up container networking: ${endpoint} job_1 (12fcab): ` +
          'Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use',
        'port 0.0.0.0:80 is already in use',
      ],
      [
        `${endpoint} job_1 (12fcab): ` +
          'Error starting userland proxy: listen tcp4 1.2.3.4:80: bind: cannot assign requested address',
        'listen tcp4 1.2.3.4:80: bind: cannot assign requested address',
      ],
      [
        'Error processing tar file(exit status 1): write /big: no space left on device',
        'write /big: no space left on device',
      ],
      ['network nowhere not found', 'network nowhere not found'],
      [
        'unable to find user ghost: no matching entries in passwd file',
        'unable to find user ghost: no matching entries in passwd file',
      ],
    ];
    for (const [message, expected] of table) expect(engineMessage(engineError(400, message))).to.equal(expected);
  });

  it('engineMessage hides paths inside the engine', () => {
    const text = engineMessage(engineError(500, 'mkdir /var/lib/docker/overlay2/abc/merged: no space left on device'));
    expect(text).to.equal('mkdir (path inside the engine): no space left on device');
  });

  it('engineFailure reports a silent engine without the path of its socket', () => {
    const error = Object.assign(new Error('connect ENOENT /var/run/docker.sock'), { code: 'ENOENT' });
    expect(engineFailure('cannot create the container', error).message).to.equal(
      'cannot create the container: the Docker engine does not answer',
    );
  });
});
