// The keys beyond pin: what they take, what they refuse, and what they come to.

import { expect } from 'chai';
import { checkPipeline } from '../../../server/pipeline/language/check.ts';
import { jobOf, oneJob, told, treeOf } from './told.ts';

const volumeForm = "must be 'name:/path', './folder:/path' or '/folder:/path', with ':ro' behind it for reading only";

/** Lines of a job in an image, and what is said of them; the place of the first is line 4. */
const rows: readonly (readonly [string, readonly string[]])[] = [
  ['timeout: 0', ["4:12 INVALID_FIELD_VALUE 'timeout' must be greater than 0"]],
  ['timeout: -1', ["4:12 INVALID_FIELD_VALUE 'timeout' must be greater than 0"]],
  ['timeout: .nan', ["4:12 INVALID_FIELD_TYPE 'timeout' must be a number of seconds, or a duration such as 90s or 5m"]],
  ['timeout: [5]', ["4:12 INVALID_FIELD_TYPE 'timeout' must be a number of seconds, or a duration such as 90s or 5m"]],
  ['timeout: soon', ['4:12 INVALID_FIELD_VALUE \'timeout\': "soon" is not a duration; write one such as 500ms, 10s, 5m or 2h']],
  ['timeout: 99999999', ["4:12 INVALID_FIELD_VALUE 'timeout' must not exceed 2147483 seconds"]],

  ['needs: 5x', ["4:10 INVALID_FIELD_VALUE 'needs' names the job '5x', which is not defined"]],
  ['needs: [a, b]', ["4:14 INVALID_FIELD_VALUE 'needs' names the job 'b', which is not defined"]],
  ['needs: { a: b }', ["4:10 INVALID_FIELD_TYPE 'needs' must be a string or array of strings"]],
  ['needs: [[]]', ['4:11 INVALID_FIELD_TYPE all needs items must be strings, found list at index 0']],
  ['needs: [""]', ['4:11 INVALID_FIELD_VALUE needs item at index 0 cannot be empty']],

  ['when: 5', ["4:9 INVALID_FIELD_TYPE 'when' must be a string"]],
  ['when: failed', ["4:9 INVALID_FIELD_VALUE 'when' must be one of success, failure, always, got 'failed'"]],
  ['allowFailure: yes', ["4:17 INVALID_FIELD_TYPE 'allowFailure' must be a boolean value"]],
  ['retry: { jitter: x }', ['4:20 INVALID_RETRY_CONFIG retry.jitter must be a number']],
  ['retry: { jitter: -0.1 }', ['4:20 INVALID_RETRY_CONFIG retry.jitter must be non-negative']],
  ['retry: { jitter: 1.5 }', ['4:20 INVALID_RETRY_CONFIG retry.jitter must not exceed 1']],

  ['matrix: [a]', ["4:11 INVALID_FIELD_TYPE 'matrix' must be an object"]],
  ['matrix: {}', ["4:11 INVALID_FIELD_VALUE 'matrix' cannot be empty"]],
  ['matrix: { a: 1, b: [], c-d: [1] }', [
    "4:16 INVALID_FIELD_TYPE 'matrix.a' must be a list of values", "4:22 INVALID_FIELD_VALUE 'matrix.b' cannot be empty",
    '4:26 INVALID_FIELD_VALUE matrix: "c-d" is not a name for a variable: it must be letters, digits and "_", and not begin with a digit']],
  ['matrix: { a: [[], "", 1, 1, "x\\ny"] }', [
    '4:17 INVALID_FIELD_TYPE all values of matrix.a must be strings, numbers or booleans, found list at index 0', '4:21 INVALID_FIELD_VALUE value of matrix.a at index 1 cannot be empty',
    "4:28 INVALID_FIELD_VALUE value '1' of matrix.a is given twice", '4:31 INVALID_FIELD_VALUE value of matrix.a at index 4 must be one line of at most 200 characters']],
  ['matrix: { a: [1], b: [1], c: [1], d: [1], e: [1], f: [1] }', ["4:11 INVALID_FIELD_VALUE 'matrix' has 6 names; 5 is the most there may be"]],
  [`matrix: { a: [${Array.from({ length: 17 }, (_, at) => at).join(', ')}], b: [${Array.from({ length: 16 }, (_, at) => at).join(', ')}] }`, ["4:11 INVALID_FIELD_VALUE 'matrix' has 272 combinations; 256 is the most there may be"]],
  ['matrix: { DISTILLERY_X: [1] }', ['4:13 INVALID_FIELD_VALUE matrix: "DISTILLERY_X" is reserved: names that begin with DISTILLERY_ are the gateway\'s own']],
  ['matrix: { a: [1] }\n  outputs: X', ["5:3 INVALID_FIELD_VALUE a job with 'matrix' cannot have 'outputs': it runs once for each combination"]],

  ['outputs: 5', ["4:12 INVALID_FIELD_TYPE 'outputs' must be a string or array of strings"]],
  ['outputs: [A, "b c", A, DISTILLERY_OUTPUT, ""]', [
    '4:16 INVALID_FIELD_VALUE outputs item at index 1: "b c" is not a name for a variable: it must be letters, digits and "_", and not begin with a digit',
    '4:23 INVALID_FIELD_VALUE outputs item at index 2: "A" is given twice',
    '4:26 INVALID_FIELD_VALUE outputs item at index 3: "DISTILLERY_OUTPUT" is reserved: names that begin with DISTILLERY_ are the gateway\'s own',
    '4:45 INVALID_FIELD_VALUE outputs item at index 4 cannot be empty']],

  ['secrets: 5', ["4:12 INVALID_FIELD_TYPE 'secrets' must be a string or array of strings"]],
  ['secrets: [npm-token]', ['4:13 INVALID_FIELD_VALUE secrets: "npm-token" is not a name for a variable: it must be letters, digits and "_", and not begin with a digit']],
  ['secrets: { A: 5, B-C: x, D: "a b" }', [
    "4:17 INVALID_FIELD_TYPE 'secrets.A' must be the name of a secret, found number", '4:20 INVALID_FIELD_VALUE secrets: "B-C" is not a name for a variable: it must be letters, digits and "_", and not begin with a digit',
    '4:31 INVALID_FIELD_VALUE secrets: "a b" is not a name: it must be letters, digits, "_", "." and "-", and begin with a letter, a digit or "_"']],

  ['volumes: 5', ["4:12 INVALID_FIELD_TYPE 'volumes' must be a string or array of strings"]],
  ['volumes: [data]', [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data'`]],
  ['volumes: "data:x"', [`4:12 INVALID_FIELD_VALUE invalid format of 'volumes': ${volumeForm}, got 'data:x'`]],
  ['volumes: ["data:/"]', [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data:/'`]],
  ['volumes: ["data:/a/../b"]', [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data:/a/../b'`]],
  ['volumes: ["data:/x:rx"]', [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data:/x:rx'`]],
  ['volumes: ["a:/x", "b:/x/"]', ["4:3 INVALID_FIELD_VALUE two volumes are mounted at '/x/'"]],
  ['volumes: "a:/x"\n  cache: "b:/x"', ["5:3 INVALID_FIELD_VALUE two volumes are mounted at '/x'"]],
  ['cache: "./x:/y"', ["4:10 INVALID_FIELD_VALUE invalid format of 'cache': must be 'name:/path', got './x:/y'"]],
  ['cache: [5]', ['4:11 INVALID_FIELD_TYPE all cache items must be strings, found number at index 0']],
  ['volumes: "d-${x}:/d"', ["4:12 INVALID_FIELD_VALUE 'volumes' has ${x}, which is not in the matrix of this job"]],
  ['volumes: "d-${x}:/d"\n  matrix: { x: [a/b] }', ["4:12 INVALID_FIELD_VALUE 'volumes' has ${x}, whose value 'a/b' cannot be in the name of a volume"]],

  ['artifacts: 5', ["4:14 INVALID_FIELD_TYPE 'artifacts' must be a string or array of strings"]],
  ['artifacts: [dist, ../x]', ["4:21 INVALID_FIELD_VALUE artifacts item at index 1 must not contain '..', got '../x'"]],
  ['artifacts: [""]', ['4:15 INVALID_FIELD_VALUE artifacts item at index 0 cannot be empty']],

  ['network: 5', ["4:12 INVALID_FIELD_TYPE 'network' must be a string"]],
  ['network: "container:x"', ["4:12 INVALID_FIELD_VALUE 'network' must be none, bridge, host or the name of a network, got 'container:x'"]],
  ['memory: lots', ['4:11 INVALID_FIELD_VALUE \'memory\': "lots" is not a size; write one such as 64k, 256m or 2g']],
  ['memory: 1m', ["4:11 INVALID_FIELD_VALUE 'memory' must be at least 6m"]],
  ['memory: [1]', ["4:11 INVALID_FIELD_TYPE 'memory' must be a size such as 64m or 2g"]],
  ['memory: .nan', ["4:11 INVALID_FIELD_VALUE 'memory': NaN is not a size; write one such as 64k, 256m or 2g"]],
  ['cpus: "2"', ["4:9 INVALID_FIELD_TYPE 'cpus' must be a number"]],
  ['cpus: 0', ["4:9 INVALID_FIELD_VALUE 'cpus' must be at least 0.01"]],
  ['cpus: .inf', ["4:9 INVALID_FIELD_VALUE 'cpus' must not exceed 10000"]],
  ['user: [1]', ["4:9 INVALID_FIELD_TYPE 'user' must be a string"]],
  ['user: -1', ['4:9 INVALID_FIELD_TYPE \'user\' must be a user such as "1000:1000" or "node"']],
  ['user: "a b"', ['4:9 INVALID_FIELD_VALUE \'user\' must be a user such as "1000:1000" or "node", got \'a b\'']],
  ['pull: sometimes', ["4:9 INVALID_FIELD_VALUE 'pull' must be one of missing, always, never, got 'sometimes'"]],
  ['registry: "me:secret"', ["4:13 INVALID_FIELD_VALUE 'registry' must be the name of a secret, got 'me:secret'"]],

  ['services: [db]', ["4:13 INVALID_FIELD_TYPE 'services' must be an object"]],
  ['services: { db: postgres }', ["4:19 INVALID_FIELD_TYPE 'services.db' must be an object"]],
  ['services: { db: {} }', ["4:15 MISSING_FIELD 'services.db.image' must be specified"]],
  ['services: { "d b": { image: x } }', ["4:15 INVALID_FIELD_VALUE 'd b' is not a name for a service: it must be letters, digits, '_', '.' and '-', and begin and end with a letter or digit"]],
  ['services: { db: { image: x }, DB: { image: y } }', ['4:33 INVALID_CONFIG failed to parse YAML configuration: the key "DB" is given twice, first in line 4 as "db": keys match without regard to case']],
  ['services: { db: { image: 5, imgae: x, command: sleep 5, entrypoint: [], memory: 1, env: 5, pull: x } }', [
    "4:28 INVALID_FIELD_TYPE 'services.db.image' must be a string", "warning 4:31 UNKNOWN_FIELD unknown key 'imgae'", "4:50 INVALID_FIELD_TYPE 'services.db.command' must be an array of strings",
    "4:71 INVALID_FIELD_VALUE 'services.db.entrypoint' array cannot be empty", "4:83 INVALID_FIELD_VALUE 'services.db.memory' must be at least 6m",
    "4:91 INVALID_FIELD_TYPE 'services.db.env' must be a string or array of strings", "4:100 INVALID_FIELD_VALUE 'services.db.pull' must be one of missing, always, never, got 'x'"]],
  ['services: { db: { image: x, command: [sleep, 5] } }', ['4:48 INVALID_FIELD_TYPE all services.db.command items must be strings, found number at index 1']],
  ['services: { db: { image: x, health: pg_isready } }', ["4:39 INVALID_FIELD_TYPE 'services.db.health' must be an object"]],
  ['services: { db: { image: x, health: {} } }', ["4:31 MISSING_FIELD 'services.db.health.command' must be specified"]],
  ['services: { db: { image: x, health: { command: 5, interval: 0, timeout: x, retries: 0, start: -1, end: 1 } } }', [
    "4:50 INVALID_FIELD_TYPE 'services.db.health.command' must be a string", "4:63 INVALID_FIELD_VALUE 'services.db.health.interval' must be greater than 0",
    '4:75 INVALID_FIELD_VALUE \'services.db.health.timeout\': "x" is not a duration; write one such as 500ms, 10s, 5m or 2h', "4:87 INVALID_FIELD_VALUE 'services.db.health.retries' must be at least 1",
    "4:97 INVALID_FIELD_VALUE 'services.db.health.start' must be non-negative", "warning 4:101 UNKNOWN_FIELD unknown key 'end'"]],
  ['services: { db: { image: x } }\n  network: none', ["4:3 INVALID_FIELD_VALUE 'services' cannot be used with 'network: none': the job could not reach them by name"]],
  ['services: { db: { image: x } }\n  network: host', ["4:3 INVALID_FIELD_VALUE 'services' cannot be used with 'network: host': the job could not reach them by name"]],
  ['services: { db: { image: x, volumes: ["a:/x", "b:/x"] } }', ["4:3 INVALID_FIELD_VALUE two volumes are mounted at '/x'"]],
  ['services: { db: { image: "x:${v}" } }', ["4:13 INVALID_FIELD_VALUE 'services' has ${v}, which is not in the matrix of this job"]],
];

describe('the keys beyond pin', () => {
  for (const [lines, expected] of rows) {
    it(`are told what is wrong with ${lines.replaceAll('\n', '⏎').slice(0, 110)}`, () => {
      expect(told(oneJob(lines))).to.deep.equal(expected);
    });
  }

  it('come to what they say', () => {
    expect(jobOf('needs: []', 'when: always', 'allowFailure: true', 'retry: { attempts: 2, jitter: 0.5 }', 'network: shared', 'memory: 64m', 'cpus: 0.5', 'user: 1000:1000', 'pull: never', 'registry: hub',
      'artifacts: [dist/**, /out]', 'cache: npm:/root/.npm', 'outputs: VERSION', 'secrets: [TOKEN]')).to.deep.include({
      needs: [], when: 'always', allowFailure: true, retry: { attempts: 2, delayMs: 1_000, backoff: 1, jitter: 0.5 }, network: 'shared', memoryBytes: 64 << 20, cpus: 0.5, user: '1000:1000',
      base: { type: 'image', image: 'alpine', pull: 'never', registry: 'hub' }, artifacts: ['dist/**', '/out'], cache: [{ name: 'npm', path: '/root/.npm' }], outputs: ['VERSION'],
      secrets: [{ variable: 'TOKEN', secret: 'TOKEN', place: { line: 17, column: 13, length: 5 } }],
    });
  });

  it('take times in seconds and as durations, sizes in bytes and as sizes', () => {
    expect([1, 0.5, '90s', '5m', '500ms'].map((timeout) => jobOf(`timeout: ${timeout}`).timeoutMs)).to.deep.equal([1_000, 500, 90_000, 300_000, 500]);
    expect(['256m', '2G', 8388608].map((memory) => jobOf(`memory: ${memory}`).memoryBytes)).to.deep.equal([256 << 20, 2 * 2 ** 30, 8 << 20]);
    expect(['1000', '"1000:1000"', 'node', 'node:staff', '1000:1000'].map((user) => jobOf(`user: ${user}`).user)).to.deep.equal(['1000', '1000:1000', 'node', 'node:staff', '1000:1000']);
  });

  it('take needs as a list or as words, each job once, with the places', () => {
    const jobs = 'workflow: [a, b, c]\na: { image: x }\nb: { image: x }\n';
    const needs = (written: string) => treeOf(`${jobs}c:\n  image: x\n  needs: ${written}\n`).jobs[2]?.needs?.map(({ name, place: { line, column } }) => `${name} ${line}:${column}`);
    expect(needs('[a, b, A]')).to.deep.equal(['a 6:11', 'b 6:14']);
    expect(needs('b a')).to.deep.equal(['b 6:10', 'a 6:12']);
    expect(needs('b')).to.deep.equal(['b 6:10']);
  });

  it('do not take needs of jobs that do not run', () => {
    expect(told('workflow: a\na: { image: x, needs: b }\nb: { image: y }\n')).to.deep.equal([
      "2:23 INVALID_FIELD_VALUE 'needs' names the job 'b', which is not in the workflow", "warning 3:1 UNKNOWN_FIELD job 'b' is not in the workflow and does not run"]);
    expect(checkPipeline('workflow: [build, test]\nbuild: { image: x }\ntest: { image: x, needs: buil }\n').complaints[0]?.suggestions).to.deep.equal(["did you mean 'build'?"]);
  });

  it('take volumes of every form', () => {
    expect(jobOf('volumes: ["data:/data", "./src:/src:ro", "/srv/x:/x:rw", "..:/up"]').volumes.map(({ source, path, readOnly }) => ({ source, path, readOnly }))).to.deep.equal([
      { source: { name: 'data' }, path: '/data', readOnly: false }, { source: { folder: './src' }, path: '/src', readOnly: true },
      { source: { folder: '/srv/x' }, path: '/x', readOnly: false }, { source: { folder: '..' }, path: '/up', readOnly: false }]);
    expect(jobOf('volumes: data:/data').volumes[0]?.place).to.deep.equal({ line: 4, column: 12, length: 10 });
    expect(checkPipeline(oneJob('volumes: "src/x:/x"')).complaints[0]?.suggestions).to.deep.equal(["write './src/x:/x' for a folder"]);
  });

  it('take a matrix of texts, numbers and booleans as they are written', () => {
    expect(jobOf('matrix: { node: [1.10, 20, "x"], on: [true, off] }', 'volumes: "n-${node}:/x"').matrix).to.deep.equal([{ name: 'node', values: ['1.10', '20', 'x'] }, { name: 'on', values: ['true', 'off'] }]);
    expect(told('workflow: a\na: { image: "node:${nod}", matrix: { node: [1] } }\n')).to.deep.equal(["2:13 INVALID_FIELD_VALUE 'image' has ${nod}, which is not in the matrix of this job"]);
    expect(checkPipeline('workflow: a\na: { image: "node:${nod}", matrix: { node: [1] } }\n').complaints[0]?.suggestions).to.deep.equal(["did you mean 'node'?"]);
    expect(told('workflow: a\na: { image: "node:${node}", matrix: { node: [1] } }\n')).to.deep.equal([]);
  });

  it('take secrets under other names', () => {
    expect(jobOf('secrets: { NPM_TOKEN: npm-token, X: Y }').secrets.map(({ variable, secret }) => [variable, secret])).to.deep.equal([['NPM_TOKEN', 'npm-token'], ['X', 'Y']]);
    expect(checkPipeline(oneJob('secrets: [npm-token]')).complaints[0]?.suggestions).to.deep.equal(['write it as a mapping: { VARIABLE: npm-token }']);
  });

  it('take services with all that they may have', () => {
    expect(jobOf('services:', '  db:', '    image: postgres:16', '    env: { A: 1 }', '    command: [postgres, "-c"]', '    entrypoint: [sh]', '    health: { command: pg_isready, interval: 2, timeout: 500ms, retries: 5, start: 1m }',
      '    volumes: "d:/var/lib"', '    memory: 64m', '    cpus: 1', '    user: postgres', '    pull: always', '    registry: hub', '  cache: { image: redis, health: { Command: "redis-cli ping" } }').services).to.deep.equal([
      {
        name: 'db', image: 'postgres:16', env: { A: '1' }, command: ['postgres', '-c'], entrypoint: ['sh'], health: { command: 'pg_isready', intervalMs: 2_000, timeoutMs: 500, retries: 5, startMs: 60_000 },
        volumes: [{ source: { name: 'd' }, path: '/var/lib', readOnly: false, place: { line: 11, column: 16, length: 12 } }], memoryBytes: 64 << 20, cpus: 1, user: 'postgres', pull: 'always', registry: 'hub',
      },
      { name: 'cache', image: 'redis', env: {}, pull: 'missing', volumes: [], health: { command: 'redis-cli ping', intervalMs: 1_000, timeoutMs: 5_000, retries: 30, startMs: 0 } },
    ]);
  });

  it('hand on a name from one job only', () => {
    expect(told('workflow: [b, a]\na: { image: x, outputs: [V] }\nb:\n  image: x\n  outputs: [V]\n')).to.deep.equal(["5:3 INVALID_FIELD_VALUE the output 'V' is of the job 'a' already"]);
  });

  it('are refused on the host where they need a container, and warned of where they have no effect', () => {
    const keys = ['services: {}', 'volumes: []', 'cache: []', 'network: x', 'memory: 64m', 'cpus: 1', 'user: x', 'pull: never', 'registry: x'];
    for (const key of keys) expect(told(`workflow: a\na:\n  host: true\n  ${key}\n`)).to.deep.equal([`4:3 INVALID_FIELD_VALUE host jobs cannot specify '${key.split(':')[0]}'`]);
    expect(told('workflow: a\na:\n  host: true\n  artifacts: dist\n')).to.deep.equal(["warning 4:3 INVALID_FIELD_VALUE 'artifacts' has no effect in host jobs"]);
  });

  it('warn of pull where the image is built', () => {
    expect(told('workflow: a\na:\n  dockerfile: x\n  pull: always\n  registry: hub\n')).to.deep.equal(["warning 4:3 INVALID_FIELD_VALUE 'pull' has no effect with 'dockerfile'"]);
  });
});
