// Names of jobs where not every character may stand, and hosts in names of images.

import { expect } from 'chai';
import { registriesIn } from '../../../server/pipeline/run/base-images.ts';
import { containerNames, imageTag, safeName } from '../../../server/pipeline/run/names.ts';

describe('the name of a job', () => {
  for (const [name, safe] of [
    ['build', 'build'], ['Big Job!', 'big-job'], ['test (node=20, os=alpine)', 'test-node-20-os-alpine'], ['build#2', 'build-2'], ['..', 'job'], ['ÄÖ', 'job'], ['_x_', 'x'],
    ['x'.repeat(100), 'x'.repeat(60)],
  ] as const) {
    it(`is made safe: ${name.slice(0, 30)}`, () => { expect(safeName(name)).to.equal(safe); });
  }

  it('is in the tag of the image that is built for it', () => {
    expect(imageTag('My..Job__2')).to.equal('my-job-2-custom:latest');
  });

  it('is in the names of its containers, each of which is another one', () => {
    const nameFor = containerNames('run-1');
    const made = [nameFor('a b'), nameFor('a b')];
    expect(new Set(made).size).to.equal(2);
    for (const name of made) expect(name).to.match(/^a-b_\d+_run-1-\d$/);
  });
});

describe('a Dockerfile', () => {
  it('has images from registries', () => {
    expect(registriesIn([
      'FROM --platform=linux/amd64 host.example:5000/a/b:1 AS build', 'from build as second', 'FROM localhost/x', 'FROM library/busybox', 'FROM busybox', 'FROM scratch',
      'FROM $REGISTRY/x', '# FROM other.example/x', 'RUN echo FROM third.example/x',
    ].join('\n'))).to.deep.equal(['host.example:5000', 'localhost', 'docker.io']);
  });
});
