// Tests keys without a value, such as a key whose items are all commented out.

import { Ajv } from 'ajv';
import { expect } from 'chai';
import { parse } from 'yaml';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import { dockerKeys } from '../../../server/pipeline/language/keys/docker.ts';
import { healthKeys } from '../../../server/pipeline/language/keys/health.ts';
import { jobKeys } from '../../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../../server/pipeline/language/keys/service-keys.ts';
import { topKeys } from '../../../server/pipeline/language/keys/top-keys.ts';
import { pipelineSchema } from '../../../server/pipeline/language/schema.ts';

const fitsSchema = new Ajv({ strict: false }).compile(pipelineSchema);

interface Place {
  readonly keys: readonly string[];
  /** Returns a file with the line in that place. */
  file(line: string): string;
}

const dockerfileJob = 'workflow: [a]\na:\n  script: x\n  dockerfile: f\n';
const places: Readonly<Record<string, Place>> = {
  'the top level': {
    keys: Object.keys(topKeys),
    file: (line) => `a: { image: x, script: s, needs: [] }\n${line}\n`,
  },
  docker: {
    keys: Object.keys(dockerKeys),
    file: (line) => `${dockerfileJob}docker:\n  ${line}\n`,
  },
  'a job': {
    keys: Object.keys(jobKeys).filter((key) => key !== 'script' && key !== 'dockerfile'),
    file: (line) => `${dockerfileJob}  ${line}\n`,
  },
  'a job in an image': {
    keys: ['dockerfile'],
    file: (line) => `workflow: [a]\na:\n  script: x\n  image: f\n  ${line}\n`,
  },
  'a job without a script': {
    keys: ['script'],
    file: (line) => `workflow: [a]\na:\n  dockerfile: f\n  ${line}\n`,
  },
  retry: {
    keys: Object.keys(retryKeys),
    file: (line) => `${dockerfileJob}  retry:\n    ${line}\n`,
  },
  'a service': {
    keys: Object.keys(serviceKeys).filter((key) => key !== 'image'),
    file: (line) => `${dockerfileJob}  services:\n    db:\n      image: x\n      ${line}\n`,
  },
  health: {
    keys: Object.keys(healthKeys).filter((key) => key !== 'command'),
    file: (line) =>
      `${dockerfileJob}  services:\n    db:\n      image: x\n      health:\n        command: x\n        ${line}\n`,
  },
};

/** Returns the model without source locations. */
function model(text: string): unknown {
  const { pipeline, diagnostics } = parsePipeline(text);
  expect(diagnostics, text).to.deep.equal([]);
  return JSON.parse(JSON.stringify(pipeline, (key, value: unknown) => (key === 'location' ? undefined : value)));
}

describe('a key of a pipeline without a value', () => {
  for (const [place, { keys, file }] of Object.entries(places)) {
    for (const key of keys) {
      it(`L2: ${key} without a value in ${place} counts as absent`, () => {
        for (const line of [`${key}:`, `${key}: # all commented out`, `${key}: null`, `${key}: ~`]) {
          expect(model(file(line)), line).to.deep.equal(model(file('# nothing')));
          expect(fitsSchema(parse(file(line))), `${line} ${JSON.stringify(fitsSchema.errors)}`).to.equal(true);
        }
      });
    }
  }

  it('L2: a required key without a value is missing', () => {
    const messages = (text: string): readonly string[] => parsePipeline(text).diagnostics.map(({ message }) => message);
    expect(messages('workflow: a\na:\n  image:\n  script: x\n')).to.deep.equal([
      "either 'image' or 'dockerfile' must be specified",
    ]);
    expect(messages('workflow:\na: { image: x, script: s }\n')).to.deep.equal([
      'workflow must be defined and cannot be empty',
    ]);
    expect(messages('a: { image: x, script: s, needs: }\n')).to.deep.equal([
      'workflow must be defined and cannot be empty',
    ]);
    expect(messages(`${dockerfileJob}  services: { db: { image: , health: { command: } } }\n`)).to.deep.equal([
      "'services.db.image' must be specified",
      "'services.db.health.command' must be specified",
    ]);
  });
});
