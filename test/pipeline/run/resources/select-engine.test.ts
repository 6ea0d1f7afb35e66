// Tests which engine a pipeline uses, and when a warning says that the engine of its file is ignored.

import { expect } from 'chai';
import { selectEngine } from '../../../../server/pipeline/run/resources/select-engine.ts';

describe('selectEngine', () => {
  const engines = ['tcp://build:2375'];

  it('L3: selectEngine warns if DOCKER_HOST of the gateway replaces the engine of the file', () => {
    expect(selectEngine('tcp://build:2375', { engines }, { DOCKER_HOST: 'unix:///run/x.sock' })).to.deep.equal({
      warning: 'docker.host "tcp://build:2375" is ignored: DOCKER_HOST in the gateway\'s environment takes precedence',
    });
    expect(selectEngine('tcp://other:1', { engines }, { DOCKER_HOST: 'unix:///run/x.sock' }).warning).to.contain(
      'DOCKER_HOST',
    );
  });

  it('selectEngine uses the engine of the file if the operator allows it, and warns otherwise', () => {
    expect(selectEngine(undefined, { engines }, { DOCKER_HOST: 'unix:///run/x.sock' })).to.deep.equal({});
    for (const environment of [{}, { DOCKER_HOST: '' }]) {
      expect(selectEngine('tcp://build:2375', { engines }, environment)).to.deep.equal({ host: 'tcp://build:2375' });
      expect(selectEngine('tcp://other:1', { engines }, environment).warning).to.contain('pipelines.engines');
    }
    expect(selectEngine('unix:///x', { engines }, { DOCKER_HOST: 'unix:///x' })).to.deep.equal({});
  });
});
