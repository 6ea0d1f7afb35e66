// Tests what the check suggests for values that are written as in other systems, such as GitLab CI or Docker Compose.

import { expect } from 'chai';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import { oneJob } from '../../helpers/pipeline/check-text.ts';

/** Lines of a job, and the suggestion of their only diagnostic. */
const forms: readonly (readonly [string, string])[] = [
  ['cache: { key: x, paths: [node_modules/, .npm] }', 'write cache: [node_modules:/root/node_modules, npm:/root/.npm]'],
  ['cache: { key: x }', 'write cache: [node_modules:/root/node_modules]'],
  ['cache: [{ path: /var/cache }]', 'write cache: [var-cache:/var/cache]'],
  ['cache: [node_modules/]', "write 'node_modules:/root/node_modules'"],
  ['artifacts: { paths: [dist/, "*.log"], expire_in: 1 week }', 'write artifacts: [dist/, *.log]'],
  ['artifacts: { name: out, path: dist }', 'write artifacts: [dist]'],
  ['artifactPath: { path: dist }', 'write artifactPath: dist'],
  ['needs: [{ job: a, artifacts: true }]', 'write needs: [a]'],
  ['needs: { job: a }', 'write needs: [a]'],
  ['script: [{ run: "make test" }]', "write the command itself: 'make test'"],
  [`script: [{ name: x, run: "it's" }]`, "write the command itself: 'it''s'"],
  ['services: [postgres:16]', 'write services: { postgres: { image: postgres:16 } }'],
  ['services: [{ name: "reg:5000/a/redis:7", alias: r }]', 'write services: { redis: { image: reg:5000/a/redis:7 } }'],
  ['outputs: { version: x }', 'write outputs: [version]'],
  ['volumes: [{ type: bind, source: ./a, target: /b }]', 'write volumes: ["./a:/b"]'],
  ['env: [{ name: A, value: b }]', "write 'A=b'"],
  ['env: [A: b]', "write 'A=b'"],
  ['port: 8080', 'write "8080:8080"'],
  ['parallel: 5', 'write matrix: { NAME: [1, 2] } to run a job several times'],
  ['retry: 2', 'write it as a mapping, such as: { attempts: 3 }'],
  ['timeout: { minutes: 5 }', 'write timeout: 5m'],
  ['when: on_failure', 'write failure'],
];

describe('values written as in other systems', () => {
  for (const [line, suggestion] of forms) {
    it(`L18: the check suggests what to write instead of ${line}`, () => {
      const { diagnostics } = parsePipeline(oneJob(line));
      expect(diagnostics.map(({ severity }) => severity)).to.deep.equal(['error']);
      expect(diagnostics[0]!.suggestions).to.deep.equal([suggestion]);
    });
  }

  it('L18: if `image` is a mapping, the check suggests the name in it', () => {
    const { diagnostics } = parsePipeline('workflow: a\na: { image: { name: x, entrypoint: [""] }, script: s }\n');
    expect(diagnostics.map(({ suggestions }) => suggestions)).to.deep.equal([['write image: x']]);
  });
});
