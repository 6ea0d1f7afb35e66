// Tests names that are derived from jobs, and the registries that a Dockerfile uses.

import { expect } from 'chai';
import { safeName } from '../../../../server/pipeline/language/safe-name.ts';
import { containerNames, imageTag } from '../../../../server/pipeline/run/job/resource-names.ts';
import { dockerfileRegistries } from '../../../../server/pipeline/run/resources/dockerfile-registries.ts';

describe('the name of a job', () => {
  for (const [name, safe] of [
    ['build', 'build'],
    ['Big Job!', 'big-job'],
    ['test (node=20, os=alpine)', 'test-node-20-os-alpine'],
    ['build#2', 'build-2'],
    ['..', 'job'],
    ['ÄÖ', 'job'],
    ['_x_', 'x'],
    ['x'.repeat(100), 'x'.repeat(60)],
  ] as const) {
    it(`the name of a job becomes a safe name: ${name.slice(0, 30)}`, () => {
      expect(safeName(name)).to.equal(safe);
    });
  }

  it('the name of a job is in the tag of its built image', () => {
    expect(imageTag('My..Job__2')).to.equal('my-job-2-custom:latest');
  });

  it('the name of a job is in its container names, which are unique', () => {
    const nameFor = containerNames('run-1');
    const names = [nameFor('a b'), nameFor('a b')];
    expect(new Set(names).size).to.equal(2);
    for (const name of names) expect(name).to.match(/^a-b_\d+_run-1-\d$/);
  });
});

describe('a Dockerfile', () => {
  it('the registries of a Dockerfile are found in its FROM lines', () => {
    expect(
      dockerfileRegistries(
        [
          'FROM --platform=linux/amd64 host.example:5000/a/b:1 AS build',
          'from build as second',
          'FROM localhost/x',
          'FROM library/busybox',
          'FROM busybox',
          'FROM scratch',
          'FROM $REGISTRY/x',
          '# FROM other.example/x',
          'RUN echo FROM third.example/x',
        ].join('\n'),
      ),
    ).to.deep.equal(['host.example:5000', 'localhost', 'docker.io']);
  });
});
