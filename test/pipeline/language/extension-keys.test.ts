// Tests the keys that pin does not have: what they accept, what they reject, and what they mean.

import { expect } from 'chai';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import { check, oneJob, parseJob, parseValid } from '../../helpers/pipeline/check-text.ts';

const volumeForm = "must be 'name:/path', './folder:/path' or '/folder:/path', with a trailing ':ro' for read-only";

/** Lines of a job with an image, and their diagnostics. The first line is line 4 of the file. */
const rows: readonly (readonly [string, readonly string[]])[] = [
  ['timeout: 0', ["4:12 INVALID_FIELD_VALUE 'timeout' must be greater than 0"]],
  ['timeout: -1', ["4:12 INVALID_FIELD_VALUE 'timeout' must be greater than 0"]],
  ['timeout: .nan', ["4:12 INVALID_FIELD_TYPE 'timeout' must be a number of seconds, or a duration such as 90s or 5m"]],
  ['timeout: [5]', ["4:12 INVALID_FIELD_TYPE 'timeout' must be a number of seconds, or a duration such as 90s or 5m"]],
  [
    'timeout: soon',
    ['4:12 INVALID_FIELD_VALUE \'timeout\': "soon" is not a duration; write one such as 500ms, 10s, 5m or 2h'],
  ],
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
  [
    'matrix: { a: 1, b: [], c-d: [1] }',
    [
      "4:16 INVALID_FIELD_TYPE 'matrix.a' must be a list of values",
      "4:22 INVALID_FIELD_VALUE 'matrix.b' cannot be empty",
      '4:26 INVALID_FIELD_VALUE matrix: "c-d" is not a valid variable name: use letters, digits and ' +
        '"_", and do not start with a digit',
    ],
  ],
  [
    'matrix: { a: [[], "", 1, 1, "x\\ny"] }',
    [
      '4:17 INVALID_FIELD_TYPE all values of matrix.a must be strings, numbers or booleans, found list at index 0',
      '4:21 INVALID_FIELD_VALUE value of matrix.a at index 1 cannot be empty',
      "4:28 INVALID_FIELD_VALUE value '1' of matrix.a is listed twice",
      '4:31 INVALID_FIELD_VALUE value of matrix.a at index 4 must be one line of at most 200 characters',
    ],
  ],
  [
    'matrix: { a: [1], b: [1], c: [1], d: [1], e: [1], f: [1] }',
    ["4:11 INVALID_FIELD_VALUE 'matrix' has 6 names; at most 5 are allowed"],
  ],
  [
    `matrix: { a: [${Array.from({ length: 17 }, (_, at) => at).join(', ')}], b: ` +
      `[${Array.from({ length: 16 }, (_, at) => at).join(', ')}] }`,
    ["4:11 INVALID_FIELD_VALUE 'matrix' has 272 combinations; at most 256 are allowed"],
  ],
  [
    'matrix: { DISTILLERY_X: [1] }',
    [
      '4:13 INVALID_FIELD_VALUE matrix: "DISTILLERY_X" is reserved: names that begin with ' +
        'DISTILLERY_ belong to the gateway',
    ],
  ],
  [
    'matrix: { a: [1] }\n  outputs: X',
    ["5:3 INVALID_FIELD_VALUE a job with 'matrix' cannot have 'outputs': it runs once for each combination"],
  ],

  ['outputs: 5', ["4:12 INVALID_FIELD_TYPE 'outputs' must be a string or array of strings"]],
  [
    'outputs: [A, "b c", A, DISTILLERY_OUTPUT, ""]',
    [
      '4:16 INVALID_FIELD_VALUE outputs item at index 1: "b c" is not a valid variable name: use ' +
        'letters, digits and "_", and do not start with a digit',
      '4:23 INVALID_FIELD_VALUE outputs item at index 2: "A" is listed twice',
      '4:26 INVALID_FIELD_VALUE outputs item at index 3: "DISTILLERY_OUTPUT" is reserved: names ' +
        'that begin with DISTILLERY_ belong to the gateway',
      '4:45 INVALID_FIELD_VALUE outputs item at index 4 cannot be empty',
    ],
  ],

  ['secrets: 5', ["4:12 INVALID_FIELD_TYPE 'secrets' must be a string or array of strings"]],
  [
    'secrets: [npm-token]',
    [
      '4:13 INVALID_FIELD_VALUE secrets: "npm-token" is not a valid variable name: use letters, ' +
        'digits and "_", and do not start with a digit',
    ],
  ],
  [
    'secrets: { A: 5, B-C: x, D: "a b" }',
    [
      "4:17 INVALID_FIELD_TYPE 'secrets.A' must be the name of a secret, found number",
      '4:20 INVALID_FIELD_VALUE secrets: "B-C" is not a valid variable name: use letters, digits ' +
        'and "_", and do not start with a digit',
      '4:31 INVALID_FIELD_VALUE secrets: "a b" is not a valid name: use letters, digits, "_", "." ' +
        'and "-", and start with a letter, a digit or "_"',
    ],
  ],

  ['volumes: 5', ["4:12 INVALID_FIELD_TYPE 'volumes' must be a string or array of strings"]],
  ['volumes: [data]', [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data'`]],
  ['volumes: "data:x"', [`4:12 INVALID_FIELD_VALUE invalid format of 'volumes': ${volumeForm}, got 'data:x'`]],
  [
    'volumes: ["data:/"]',
    [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data:/'`],
  ],
  [
    'volumes: ["data:/a/../b"]',
    [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data:/a/../b'`],
  ],
  [
    'volumes: ["data:/x:rx"]',
    [`4:13 INVALID_FIELD_VALUE invalid format of 'volumes' at index 0: ${volumeForm}, got 'data:/x:rx'`],
  ],
  ['volumes: ["a:/x", "b:/x/"]', ["4:3 INVALID_FIELD_VALUE two volumes are mounted at '/x/'"]],
  ['volumes: "a:/x"\n  cache: "b:/x"', ["5:3 INVALID_FIELD_VALUE two volumes are mounted at '/x'"]],
  ['cache: "./x:/y"', ["4:10 INVALID_FIELD_VALUE invalid format of 'cache': must be 'name:/path', got './x:/y'"]],
  ['cache: [5]', ['4:11 INVALID_FIELD_TYPE all cache items must be strings, found number at index 0']],
  ['volumes: "d-${x}:/d"', ["4:12 INVALID_FIELD_VALUE 'volumes' has ${x}, which is not in the matrix of this job"]],
  [
    'volumes: "d-${x}:/d"\n  matrix: { x: [a/b] }',
    ["4:12 INVALID_FIELD_VALUE 'volumes' has ${x}, whose value 'a/b' cannot be part of a volume name"],
  ],

  ['artifacts: 5', ["4:14 INVALID_FIELD_TYPE 'artifacts' must be a string or array of strings"]],
  ['artifacts: [dist, ../x]', ["4:21 INVALID_FIELD_VALUE artifacts item at index 1 must not contain '..', got '../x'"]],
  ['artifacts: [""]', ['4:15 INVALID_FIELD_VALUE artifacts item at index 0 cannot be empty']],

  ['network: 5', ["4:12 INVALID_FIELD_TYPE 'network' must be a string"]],
  [
    'network: "container:x"',
    ["4:12 INVALID_FIELD_VALUE 'network' must be none, bridge, host or the name of a network, got 'container:x'"],
  ],
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
  [
    'services: { "d b": { image: x, script: s } }',
    [
      "4:15 INVALID_FIELD_VALUE 'd b' is not a valid service name: use letters, digits, '_', '.' " +
        "and '-', and start and end with a letter or digit",
    ],
  ],
  [
    'services: { db: { image: x }, DB: { image: y } }',
    [
      '4:33 INVALID_CONFIG failed to parse YAML configuration: the key "DB" is defined twice, first ' +
        'in line 4 as "db": keys match without regard to case',
    ],
  ],
  [
    'services: { db: { image: 5, imgae: x, command: sleep 5, entrypoint: [], memory: 1, env: 5, pull: x } }',
    [
      "4:28 INVALID_FIELD_TYPE 'services.db.image' must be a string",
      "warning 4:31 UNKNOWN_FIELD unknown key 'imgae'",
      "4:50 INVALID_FIELD_TYPE 'services.db.command' must be an array of strings",
      "4:71 INVALID_FIELD_VALUE 'services.db.entrypoint' array cannot be empty",
      "4:83 INVALID_FIELD_VALUE 'services.db.memory' must be at least 6m",
      "4:91 INVALID_FIELD_TYPE 'services.db.env' must be a string or array of strings",
      "4:100 INVALID_FIELD_VALUE 'services.db.pull' must be one of missing, always, never, got 'x'",
    ],
  ],
  [
    'services: { db: { image: x, command: [sleep, 5] } }',
    ['4:48 INVALID_FIELD_TYPE all services.db.command items must be strings, found number at index 1'],
  ],
  [
    'services: { db: { image: x, health: pg_isready } }',
    ["4:39 INVALID_FIELD_TYPE 'services.db.health' must be an object"],
  ],
  ['services: { db: { image: x, health: {} } }', ["4:31 MISSING_FIELD 'services.db.health.command' must be specified"]],
  [
    'services: { db: { image: x, health: { command: 5, interval: 0, timeout: x, retries: 0, start: -1, end: 1 } } }',
    [
      "4:50 INVALID_FIELD_TYPE 'services.db.health.command' must be a string",
      "4:63 INVALID_FIELD_VALUE 'services.db.health.interval' must be greater than 0",
      '4:75 INVALID_FIELD_VALUE \'services.db.health.timeout\': "x" is not a duration; write one ' +
        'such as 500ms, 10s, 5m or 2h',
      "4:87 INVALID_FIELD_VALUE 'services.db.health.retries' must be at least 1",
      "4:97 INVALID_FIELD_VALUE 'services.db.health.start' must be non-negative",
      "warning 4:101 UNKNOWN_FIELD unknown key 'end'",
    ],
  ],
  [
    'services: { db: { image: x } }\n  network: none',
    ["4:3 INVALID_FIELD_VALUE 'services' cannot be used with 'network: none': the job could not reach them by name"],
  ],
  [
    'services: { db: { image: x } }\n  network: host',
    ["4:3 INVALID_FIELD_VALUE 'services' cannot be used with 'network: host': the job could not reach them by name"],
  ],
  [
    'services: { db: { image: x, volumes: ["a:/x", "b:/x"] } }',
    ["4:3 INVALID_FIELD_VALUE two volumes are mounted at '/x'"],
  ],
  [
    'services: { db: { image: "x:${v}" } }',
    ["4:13 INVALID_FIELD_VALUE 'services' has ${v}, which is not in the matrix of this job"],
  ],
];

describe('the keys that pin does not have', () => {
  for (const [lines, expected] of rows) {
    it(`the check reports errors in ${lines.replaceAll('\n', '⏎').slice(0, 110)}`, () => {
      expect(check(oneJob(lines))).to.deep.equal(expected);
    });
  }

  it('the keys that pin does not have are part of the model', () => {
    expect(
      parseJob(
        'needs: []',
        'when: always',
        'allowFailure: true',
        'retry: { attempts: 2, jitter: 0.5 }',
        'network: shared',
        'memory: 64m',
        'cpus: 0.5',
        'user: 1000:1000',
        'pull: never',
        'registry: hub',
        'artifacts: [dist/**, /out]',
        'cache: npm:/root/.npm',
        'outputs: VERSION',
        'secrets: [TOKEN]',
      ),
    ).to.deep.include({
      needs: [],
      when: 'always',
      allowFailure: true,
      retry: { attempts: 2, delayMs: 1_000, backoff: 1, jitter: 0.5 },
      network: 'shared',
      memoryBytes: 64 << 20,
      cpus: 0.5,
      user: '1000:1000',
      base: { type: 'image', image: 'alpine', pull: 'never', registry: 'hub' },
      artifacts: ['dist/**', '/out'],
      cache: [{ name: 'npm', path: '/root/.npm' }],
      outputs: ['VERSION'],
      secrets: [{ variable: 'TOKEN', secret: 'TOKEN', location: { line: 17, column: 13, length: 5 } }],
    });
  });

  it('durations are seconds or text with a unit, sizes are bytes or text with a unit', () => {
    expect([1, 0.5, '90s', '5m', '500ms'].map((timeout) => parseJob(`timeout: ${timeout}`).timeoutMs)).to.deep.equal([
      1_000, 500, 90_000, 300_000, 500,
    ]);
    expect(['256m', '2G', 8388608].map((memory) => parseJob(`memory: ${memory}`).memoryBytes)).to.deep.equal([
      256 << 20,
      2 * 2 ** 30,
      8 << 20,
    ]);
    expect(
      ['1000', '"1000:1000"', 'node', 'node:staff', '1000:1000'].map((user) => parseJob(`user: ${user}`).user),
    ).to.deep.equal(['1000', '1000:1000', 'node', 'node:staff', '1000:1000']);
  });

  it('`needs` is a list or a string of names; the model has each job once, with its location', () => {
    const jobs = 'workflow: [a, b, c]\na: { image: x, script: s }\nb: { image: x, script: s }\n';
    const parseNeeds = (written: string) =>
      parseValid(`${jobs}c:\n  image: x\n  needs: ${written}\n  script: s\n`).jobs[2]?.needs?.map(
        ({ name, location: { line, column } }) => `${name} ${line}:${column}`,
      );
    expect(parseNeeds('[a, b, A]')).to.deep.equal(['a 6:11', 'b 6:14']);
    expect(parseNeeds('b a')).to.deep.equal(['b 6:10', 'a 6:12']);
    expect(parseNeeds('b')).to.deep.equal(['b 6:10']);
  });

  it('`needs` rejects jobs that do not run', () => {
    expect(check('workflow: a\na: { image: x, needs: b, script: s }\nb: { image: y, script: s }\n')).to.deep.equal([
      "2:23 INVALID_FIELD_VALUE 'needs' names the job 'b', which is not in the workflow",
      "warning 3:1 UNKNOWN_FIELD job 'b' is not in the workflow and does not run",
    ]);
    expect(
      parsePipeline(
        'workflow: [build, test]\nbuild: { image: x, script: s }\ntest: { image: x, needs: buil, script: s }\n',
      ).diagnostics[0]?.suggestions,
    ).to.deep.equal(["did you mean 'build'?"]);
  });

  it('`volumes` accepts every form', () => {
    expect(
      parseJob('volumes: ["data:/data", "./src:/src:ro", "/srv/x:/x:rw", "..:/up"]').volumes.map(
        ({ source, path, readOnly }) => ({ source, path, readOnly }),
      ),
    ).to.deep.equal([
      { source: { name: 'data' }, path: '/data', readOnly: false },
      { source: { folder: './src' }, path: '/src', readOnly: true },
      { source: { folder: '/srv/x' }, path: '/x', readOnly: false },
      { source: { folder: '..' }, path: '/up', readOnly: false },
    ]);
    expect(parseJob('volumes: data:/data').volumes[0]?.location).to.deep.equal({ line: 4, column: 12, length: 10 });
    expect(parsePipeline(oneJob('volumes: "src/x:/x"')).diagnostics[0]?.suggestions).to.deep.equal([
      "write './src/x:/x' for a folder",
    ]);
  });

  it('`matrix` accepts strings, numbers and booleans as they are written', () => {
    expect(
      parseJob('matrix: { node: [1.10, 20, "x"], on: [true, off] }', 'volumes: "n-${node}:/x"').matrix,
    ).to.deep.equal([
      { name: 'node', values: ['1.10', '20', 'x'] },
      { name: 'on', values: ['true', 'off'] },
    ]);
    expect(check('workflow: a\na: { image: "node:${nod}", matrix: { node: [1] }, script: s }\n')).to.deep.equal([
      "2:13 INVALID_FIELD_VALUE 'image' has ${nod}, which is not in the matrix of this job",
    ]);
    expect(
      parsePipeline('workflow: a\na: { image: "node:${nod}", matrix: { node: [1] }, script: s }\n').diagnostics[0]
        ?.suggestions,
    ).to.deep.equal(["did you mean 'node'?"]);
    expect(check('workflow: a\na: { image: "node:${node}", matrix: { node: [1] }, script: s }\n')).to.deep.equal([]);
  });

  it('`secrets` can rename secrets', () => {
    expect(
      parseJob('secrets: { NPM_TOKEN: npm-token, X: Y }').secrets.map(({ variable, secret }) => [variable, secret]),
    ).to.deep.equal([
      ['NPM_TOKEN', 'npm-token'],
      ['X', 'Y'],
    ]);
    expect(parsePipeline(oneJob('secrets: [npm-token]')).diagnostics[0]?.suggestions).to.deep.equal([
      'write it as a mapping: { VARIABLE: npm-token }',
    ]);
  });

  it('`services` accepts every key of a service', () => {
    expect(
      parseJob(
        'services:',
        '  db:',
        '    image: postgres:16',
        '    env: { A: 1 }',
        '    command: [postgres, "-c"]',
        '    entrypoint: [sh]',
        '    health: { command: pg_isready, interval: 2, timeout: 500ms, retries: 5, start: 1m }',
        '    volumes: "d:/var/lib"',
        '    memory: 64m',
        '    cpus: 1',
        '    user: postgres',
        '    pull: always',
        '    registry: hub',
        '  cache: { image: redis, health: { Command: "redis-cli ping" } }',
      ).services,
    ).to.deep.equal([
      {
        name: 'db',
        image: 'postgres:16',
        env: { A: '1' },
        command: ['postgres', '-c'],
        entrypoint: ['sh'],
        health: { command: 'pg_isready', intervalMs: 2_000, timeoutMs: 500, retries: 5, startMs: 60_000 },
        volumes: [
          { source: { name: 'd' }, path: '/var/lib', readOnly: false, location: { line: 11, column: 16, length: 12 } },
        ],
        memoryBytes: 64 << 20,
        cpus: 1,
        user: 'postgres',
        pull: 'always',
        registry: 'hub',
      },
      {
        name: 'cache',
        image: 'redis',
        env: {},
        pull: 'missing',
        volumes: [],
        health: { command: 'redis-cli ping', intervalMs: 1_000, timeoutMs: 5_000, retries: 30, startMs: 0 },
      },
    ]);
  });

  it('an output name belongs to one job only', () => {
    expect(
      check(
        'workflow: [b, a]\na: { image: x, outputs: [V], script: s }\nb:\n  image: x\n  outputs: [V]\n  script: s\n',
      ),
    ).to.deep.equal(["5:3 INVALID_FIELD_VALUE the output 'V' is already declared by the job 'a'"]);
  });

  it('keys that need a container are rejected for host jobs, and keys without effect cause warnings', () => {
    const keys = [
      'services: {}',
      'volumes: []',
      'cache: []',
      'network: x',
      'memory: 64m',
      'cpus: 1',
      'user: x',
      'pull: never',
      'registry: x',
    ];
    for (const key of keys)
      expect(check(`workflow: a\na:\n  host: true\n  ${key}\n  script: s\n`)).to.deep.equal([
        `4:3 INVALID_FIELD_VALUE host jobs cannot specify '${key.split(':')[0]}'`,
      ]);
    expect(check('workflow: a\na:\n  host: true\n  artifacts: dist\n  script: s\n')).to.deep.equal([
      "warning 4:3 INVALID_FIELD_VALUE 'artifacts' has no effect in host jobs",
    ]);
  });

  it('L21: a matrix leaves out the combinations of `exclude`', () => {
    const job = parseJob('matrix: { os: [a, b], node: [18, 20], exclude: [{ os: b, node: 18 }] }');
    expect(job).to.deep.include({
      matrix: [
        { name: 'os', values: ['a', 'b'] },
        { name: 'node', values: ['18', '20'] },
      ],
      matrixExclude: [{ os: 'b', node: '18' }],
    });
    for (const [exclude, message] of [
      ['{ os: a }', "'matrix.exclude' must be a list of at most 256 combinations"],
      ['[a]', 'all matrix.exclude items must be mappings, found string at index 0'],
      ['[{ so: a }]', "'matrix.exclude' names 'so', which is not in the matrix"],
      ['[{ os: c }]', "'matrix.exclude' has a value of 'os' that is not in the matrix"],
      ['[{ os: a }, { os: b }]', "'matrix.exclude' leaves no combination"],
    ])
      expect(
        parsePipeline(oneJob(`matrix: { os: [a, b], exclude: ${exclude} }`)).diagnostics.map((one) => one.message),
        exclude,
      ).to.deep.equal([message]);
    expect(check(oneJob('matrix: { exclude: [{ a: 1 }] }'))).to.deep.equal([
      "4:11 INVALID_FIELD_VALUE 'matrix' cannot be empty",
    ]);
  });

  it('L16: a service must not have the name of its job, nor of another job on the same network', () => {
    const service = (job: string, name: string, more = ''): string =>
      `"${job}": { image: x, script: s, ${more}services: { ${name}: { image: y } } }\n`;
    expect(check(`workflow: [web]\n${service('web', 'web')}`)).to.deep.equal([
      "2:43 INVALID_FIELD_VALUE the service 'web' has the name of its job, so the name would lead to the job itself",
    ]);
    expect(check(`workflow: ["My Job"]\n${service('My Job', 'my-job')}`)).to.have.length(1);
    expect(check(`workflow: [Web]\n${service('web', 'WEB')}`)).to.have.length(1);
    expect(check(`workflow: [web, db]\n${service('web', 'db')}db: { image: x, script: s }\n`)).to.deep.equal([]);
    expect(
      check(`workflow: [web, db]\n${service('web', 'db', 'network: n, ')}db: { image: x, script: s, network: n }\n`),
    ).to.deep.equal(["2:55 INVALID_FIELD_VALUE the service 'db' has the name of the job 'db' on the network 'n'"]);
    expect(
      check(`workflow: [web, db]\n${service('web', 'db', 'network: n, ')}db: { image: x, script: s, network: m }\n`),
    ).to.deep.equal([]);
  });

  it('L9: an empty string is an error for keys that give it no meaning', () => {
    for (const line of [
      'needs: ""',
      'needs: " "',
      'workDir: ""',
      'artifactPath: ""',
      'condition: ""',
      'user: ""',
      'network: ""',
      'registry: ""',
      'pull: ""',
      'when: ""',
      'timeout: ""',
      'memory: ""',
      'script: [""]',
      'port: ""',
      'copyIgnore: ""',
      'cache: ""',
      'volumes: ""',
      'artifacts: ""',
      'outputs: ""',
      'secrets: ""',
      'secrets: { A: "" }',
      'matrix: { a: [""] }',
      'services: { "": { image: x } }',
      'services: { db: { image: "" } }',
      'services: { db: { image: x, command: [""] } }',
      'services: { db: { image: x, entrypoint: ["", a] } }',
      'services: { db: { image: x, health: { command: "" } } }',
    ])
      expect(
        check(oneJob(line)).filter((one) => !one.startsWith('warning')),
        line,
      ).to.have.length(1);
    for (const image of ['""', '" "', '" x"', '"a b"', '"x\\n"'])
      expect(check(`workflow: a\na: { image: ${image}, script: s }\n`), image).to.have.length(1);
    expect(check('workflow: a\na: { image: x, script: s }\nname: ""\n')).to.deep.equal([
      "3:7 INVALID_FIELD_VALUE 'name' cannot be empty",
    ]);
    expect(check(oneJob('env: { A: "" }'))).to.deep.equal([]);
    expect(check(oneJob('services: { db: { image: x, entrypoint: [""], command: [a] } }'))).to.deep.equal([]);
  });

  it('`pull` causes a warning in a job that builds its image', () => {
    expect(check('workflow: a\na:\n  dockerfile: x\n  pull: always\n  registry: hub\n')).to.deep.equal([
      "warning 4:3 INVALID_FIELD_VALUE 'pull' has no effect with 'dockerfile'",
    ]);
  });
});
