// The engine's refusals in words for people.

import { expect } from 'chai';
import { refused, saidBy } from '../../server/docker/failure.ts';

function answer(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode}) unexpected - ${message} `), { statusCode, json: { message } });
}

describe('docker failure', () => {
  it('keeps the reason and drops the wrapping of the engine\'s layers', () => {
    const table: Record<string, string> = {
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown':
        'exec: "nosuch": executable file not found in $PATH',
      'failed to create shim: OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "x": permission denied: unknown':
        'exec: "x": permission denied',
      'network nowhere not found': 'network nowhere not found',
      'unable to find user ghost: no matching entries in passwd file': 'unable to find user ghost: no matching entries in passwd file',
    };
    for (const [said, plain] of Object.entries(table)) expect(saidBy(answer(400, said))).to.equal(plain);
  });

  it('does not show where the engine keeps its things', () => {
    const said = saidBy(answer(500, 'mkdir /var/lib/docker/overlay2/abc/merged: no space left on device'));
    expect(said).to.equal('mkdir (inside the engine): no space left on device');
  });

  it('says that the engine does not answer, and not where its socket is', () => {
    const error = Object.assign(new Error('connect ENOENT /var/run/docker.sock'), { code: 'ENOENT' });
    expect(refused('cannot create the container', error).message).to.equal('cannot create the container: the Docker engine does not answer');
  });
});
