// Tests the keys that pin has: each row of pin's error table.

import { expect } from 'chai';
import { check, oneJob, parseJob, parseValid } from '../../helpers/pipeline/check-text.ts';

/** Lines of a job with an image, and their diagnostics. The first line is line 4 of the file. */
const rows: readonly (readonly [string, readonly string[]])[] = [
  ['script: 5', ["4:11 INVALID_FIELD_TYPE 'script' must be a string or array of strings"]],
  ['script: { a: b }', ["4:11 INVALID_FIELD_TYPE 'script' must be a string or array of strings"]],
  ['script:', ["2:1 MISSING_FIELD job 'a' does nothing: it has no 'script'"]],
  ['script: []', ["4:11 INVALID_FIELD_VALUE 'script' array cannot be empty"]],
  ['script: ""', ["4:11 INVALID_FIELD_VALUE 'script' cannot be empty"]],
  ['script: "  "', ["4:11 INVALID_FIELD_VALUE 'script' cannot be empty"]],
  ['script: [a, ""]', ['4:15 INVALID_FIELD_VALUE script item at index 1 cannot be empty']],
  [
    'script: [{ a: b }, [], 5, true, null]',
    [
      '4:12 INVALID_FIELD_TYPE all script items must be strings, found mapping at index 0',
      '4:22 INVALID_FIELD_TYPE all script items must be strings, found list at index 1',
      '4:26 INVALID_FIELD_TYPE all script items must be strings, found number at index 2',
      '4:29 INVALID_FIELD_TYPE all script items must be strings, found boolean at index 3',
      '4:35 INVALID_FIELD_TYPE all script items must be strings, found null at index 4',
    ],
  ],
  ['script:\n    - a\n    -', ['6:5 INVALID_FIELD_TYPE all script items must be strings, found null at index 1']],
  ['script: "a\\0b"', ["4:11 INVALID_FIELD_VALUE 'script' must not contain a NUL character"]],
  ['SCRIPT: [5]', ['4:12 INVALID_FIELD_TYPE all SCRIPT items must be strings, found number at index 0']],

  ['port: 8080', ["4:9 INVALID_FIELD_TYPE 'port' must be a string or array of strings"]],
  ['port: [80:80, 5]', ['4:17 INVALID_FIELD_TYPE all port items must be strings, found number at index 1']],
  ['port: ":80"', ['4:9 INVALID_PORT_FORMAT invalid port format: both host and container ports must be specified']],
  [
    'port: ["80:"]',
    ['4:10 INVALID_PORT_FORMAT invalid port format at index 0: both host and container ports must be specified'],
  ],
  [
    'port: "1.2.3.4::80"',
    ['4:9 INVALID_PORT_FORMAT invalid port format: host IP, host port, and container port must all be specified'],
  ],
  [
    'port: ["80"]',
    [
      '4:10 INVALID_PORT_FORMAT invalid port format at index 0: port must be in format ' +
        "'hostPort:containerPort' (e.g., '8080:80') or 'hostIP:hostPort:containerPort' (e.g., " +
        "'127.0.0.1:8080:80')",
    ],
  ],
  [
    'port: "1:2:3:4"',
    [
      "4:9 INVALID_PORT_FORMAT invalid port format: port must be in format 'hostPort:containerPort' " +
        "(e.g., '8080:80') or 'hostIP:hostPort:containerPort' (e.g., '127.0.0.1:8080:80')",
    ],
  ],
  [
    'port: ""',
    [
      "4:9 INVALID_PORT_FORMAT invalid port format: port must be in format 'hostPort:containerPort' " +
        "(e.g., '8080:80') or 'hostIP:hostPort:containerPort' (e.g., '127.0.0.1:8080:80')",
    ],
  ],
  [
    'port: "70000:80"',
    ["4:10 INVALID_PORT_FORMAT invalid port format: port numbers must be between 1 and 65535, got '70000'"],
  ],
  [
    'port: [8080:80, "8080:0", "a:80"]',
    [
      "4:25 INVALID_PORT_FORMAT invalid port format at index 1: port numbers must be between 1 and 65535, got '0'",
      "4:30 INVALID_PORT_FORMAT invalid port format at index 2: port numbers must be between 1 and 65535, got 'a'",
    ],
  ],
  [
    'port: "8080:80/tcp"',
    ["4:15 INVALID_PORT_FORMAT invalid port format: port numbers must be between 1 and 65535, got '80/tcp'"],
  ],
  [
    'port: "example.org:80:80"',
    ["4:10 INVALID_PORT_FORMAT invalid port format: host IP must be an IP address or localhost, got 'example.org'"],
  ],

  ['env: 5', ["4:8 INVALID_FIELD_TYPE 'env' must be a string or array of strings"]],
  ['env: [A=1, 5]', ['4:14 INVALID_FIELD_TYPE all environment variables must be strings, found number at index 1']],
  ['env: [A: 1]', ['4:9 INVALID_FIELD_TYPE all environment variables must be strings, found mapping at index 0']],
  ['env: ""', ['4:8 INVALID_FIELD_VALUE environment variable cannot be empty']],
  ['env: [""]', ['4:9 INVALID_FIELD_VALUE environment variable at index 0 cannot be empty']],
  ['env: [A=1, B]', ['4:14 INVALID_FIELD_VALUE environment variable at index 1 must be in KEY=VALUE form']],
  ['env: B', ['4:8 INVALID_FIELD_VALUE environment variable must be in KEY=VALUE form']],
  ['env: ["=x"]', ['4:9 INVALID_FIELD_VALUE environment variable at index 0 must be in KEY=VALUE form']],
  [
    'env: { A: [], B: { c: d }, C: , "D=": 1, E: "\\0" }',
    [
      "4:13 INVALID_FIELD_TYPE environment variable 'A' must be a string, number or boolean, found list",
      "4:20 INVALID_FIELD_TYPE environment variable 'B' must be a string, number or boolean, found mapping",
      "4:30 INVALID_FIELD_TYPE environment variable 'C' must be a string, number or boolean, found null",
      "4:35 INVALID_FIELD_VALUE 'D=' is not a valid environment variable name: it must not be empty or contain '='",
      "4:47 INVALID_FIELD_VALUE environment variable 'E' must not contain a NUL character",
    ],
  ],

  ['copyIgnore: 5', ["4:15 INVALID_FIELD_TYPE 'copyIgnore' must be a string or array of strings"]],
  ['copyIgnore: [a, 5]', ['4:19 INVALID_FIELD_TYPE all copyIgnore items must be strings, found number at index 1']],
  ['copyIgnore: ""', ['4:15 INVALID_FIELD_VALUE copyIgnore cannot be empty']],
  ['copyIgnore: [a, ""]', ['4:19 INVALID_FIELD_VALUE copyIgnore item at index 1 cannot be empty']],
  [
    'copyIgnore: ["[", "x\\\\", "!", "#a"]',
    [
      '4:16 INVALID_FIELD_VALUE copyIgnore item at index 0 is neither a gitignore pattern nor a ' +
        "regular expression: a '[' is not closed; write '[[]' for a name with a bracket",
      '4:21 INVALID_FIELD_VALUE copyIgnore item at index 1 is neither a gitignore pattern nor a ' +
        'regular expression: it ends in a backslash',
      '4:28 INVALID_FIELD_VALUE copyIgnore item at index 2 is neither a gitignore pattern nor a ' +
        'regular expression: it matches nothing',
      '4:33 INVALID_FIELD_VALUE copyIgnore item at index 3 is neither a gitignore pattern nor a ' +
        "regular expression: it is a comment; write '[#]…' for a name that begins with #",
    ],
  ],

  ['workDir: 5', ["4:12 INVALID_FIELD_TYPE 'workDir' must be a string"]],
  ['workDir: ""', ["4:12 INVALID_FIELD_VALUE 'workDir' cannot be empty"]],
  ['workDir: app', ["4:12 INVALID_FIELD_VALUE 'workDir' must be an absolute path, got 'app'"]],
  ['artifactPath: [a]', ["4:17 INVALID_FIELD_TYPE 'artifactPath' must be a string"]],
  ['artifactPath: ""', ["4:17 INVALID_FIELD_VALUE 'artifactPath' cannot be empty"]],
  ['condition: true', ["4:14 INVALID_FIELD_TYPE 'condition' must be a string"]],
  ['condition: ""', ["4:14 INVALID_FIELD_VALUE 'condition' cannot be empty"]],
  ['condition: $A > "0"', ["4:17 INVALID_FIELD_VALUE invalid condition: '>' is not an operator"]],
  ...['copyFiles', 'soloExecution', 'parallel', 'host', 'errexit'].map((key): readonly [string, readonly string[]] => [
    `${key}: "true"`,
    [`4:${key.length + 5} INVALID_FIELD_TYPE '${key}' must be a boolean value`],
  ]),
  ['copyFiles: 1', ["4:14 INVALID_FIELD_TYPE 'copyFiles' must be a boolean value"]],
  ['copyFiles: yes', ["4:14 INVALID_FIELD_TYPE 'copyFiles' must be a boolean value"]],

  ['retry: 3', ["4:10 INVALID_RETRY_CONFIG 'retry' must be an object"]],
  ['retry: []', ["4:10 INVALID_RETRY_CONFIG 'retry' must be an object"]],
  ['retry: { attempts: "3" }', ['4:22 INVALID_RETRY_CONFIG retry.attempts must be an integer']],
  ['retry: { attempts: 1.5 }', ['4:22 INVALID_RETRY_CONFIG retry.attempts must be an integer']],
  ['retry: { attempts: 0 }', ['4:22 INVALID_RETRY_CONFIG retry.attempts must be at least 1']],
  [
    'retry: { attempts: 11 }',
    ['4:22 INVALID_RETRY_CONFIG retry.attempts must not exceed 10 (to prevent infinite loops)'],
  ],
  ['retry: { delay: soon }', ['4:19 INVALID_RETRY_CONFIG retry.delay must be an integer (seconds)']],
  ['retry: { delay: -1 }', ['4:19 INVALID_RETRY_CONFIG retry.delay must be non-negative']],
  ['retry: { delay: 301 }', ['4:19 INVALID_RETRY_CONFIG retry.delay must not exceed 300 seconds']],
  ['retry: { delay: .inf }', ['4:19 INVALID_RETRY_CONFIG retry.delay must be an integer (seconds)']],
  ['retry: { backoff: "2" }', ['4:21 INVALID_RETRY_CONFIG retry.backoff must be a number']],
  ['retry: { backoff: .nan }', ['4:21 INVALID_RETRY_CONFIG retry.backoff must be a number']],
  ['retry: { backoff: 0 }', ['4:21 INVALID_RETRY_CONFIG retry.backoff must be greater than 0']],
  ['retry: { backoff: 10.5 }', ['4:21 INVALID_RETRY_CONFIG retry.backoff must not exceed 10.0']],
  [
    'Retry: { Attempts: 0, DELAY: -1 }',
    [
      '4:22 INVALID_RETRY_CONFIG Retry.Attempts must be at least 1',
      '4:32 INVALID_RETRY_CONFIG Retry.DELAY must be non-negative',
    ],
  ],
];

/** Keys that decide what a job is based on, and their diagnostics. */
const bases: readonly (readonly [string, readonly string[]])[] = [
  ['script: x', ["2:1 MISSING_FIELD either 'image' or 'dockerfile' must be specified"]],
  ['host: false', ["2:1 MISSING_FIELD either 'image' or 'dockerfile' must be specified"]],
  ['host: maybe', ["3:9 INVALID_FIELD_TYPE 'host' must be a boolean value"]],
  [
    'image: x\n  dockerfile: y',
    ["4:3 INVALID_FIELD_VALUE cannot specify both 'image' and 'dockerfile' in the same job"],
  ],
  [
    'Dockerfile: x\n  IMAGE: y',
    ["4:3 INVALID_FIELD_VALUE cannot specify both 'IMAGE' and 'Dockerfile' in the same job"],
  ],
  ['image: 5', ["3:10 INVALID_FIELD_TYPE 'image' must be a string"]],
  ['image:', ["2:1 MISSING_FIELD either 'image' or 'dockerfile' must be specified"]],
  ['image: ""', ["3:10 INVALID_FIELD_VALUE 'image' cannot be empty"]],
  ['dockerfile: [x]', ["3:15 INVALID_FIELD_TYPE 'dockerfile' must be a string"]],
  ['dockerfile: " "', ["3:15 INVALID_FIELD_VALUE 'dockerfile' cannot be empty"]],
  ['host: true\n  image: x\n  script: s', ["4:3 INVALID_FIELD_VALUE host jobs cannot specify 'image' or 'dockerfile'"]],
  ['dockerfile: x\n  host: true', ["3:3 INVALID_FIELD_VALUE host jobs cannot specify 'image' or 'dockerfile'"]],
];

describe('the keys of a job', () => {
  for (const [lines, expected] of rows) {
    it(`the check reports errors in ${lines.replaceAll('\n', '⏎')}`, () =>
      expect(check(oneJob(lines))).to.deep.equal(expected));
  }

  for (const [lines, expected] of bases) {
    it(`a job is based on ${lines.replaceAll('\n', '⏎')}, or the check reports why not`, () =>
      expect(check(`workflow: a\na:\n  ${lines}\n`)).to.deep.equal(expected));
  }

  it('host jobs need permission', () => {
    const text = 'workflow: a\na:\n  host: true\n  script: x\n';
    expect(check(text, { hostJobs: false })).to.deep.equal(['3:3 INVALID_FIELD_VALUE host jobs are disabled']);
    expect(parseValid(text, { hostJobs: true }).jobs[0]?.base).to.deep.equal({ type: 'host' });
  });

  it('L15: a job that does nothing is an error, unless another error may be the reason', () => {
    const nothing = ["2:1 MISSING_FIELD job 'a' does nothing: it has no 'script'"];
    const file = (keys: string): string => `workflow: a\na: { ${keys} }\n`;
    expect(check(file('image: x'))).to.deep.equal(nothing);
    expect(check(file('image: x, condition: $A, retry: { attempts: 2 }, volumes: x:/x'))).to.deep.equal(nothing);
    expect(check(file('image: x, script: '))).to.deep.equal(nothing);
    expect(check(file('image: x, scirpt: make'))).to.deep.equal([
      ...nothing,
      "warning 2:16 UNKNOWN_FIELD unknown key 'scirpt'",
    ]);
    expect(check(file('host: true, artifactPath: x'))).to.include(nothing[0]);
    for (const keys of [
      'dockerfile: Dockerfile',
      'image: x, artifactPath: /x',
      'image: x, artifacts: x',
      'image: x, services: { db: { image: y } }',
      "image: x, script: 'true'",
    ])
      expect(check(file(keys)), keys).to.deep.equal([]);
    expect(check(file('image: x, user: []'))).to.have.length(1);
  });

  it('keys of containers cause warnings in host jobs', () => {
    expect(
      check('workflow: a\na:\n  host: true\n  port: 80:80\n  copyFiles: true\n  artifactPath: x\n  script: s\n'),
    ).to.deep.equal([
      "warning 4:3 INVALID_FIELD_VALUE 'port' has no effect in host jobs",
      "warning 5:3 INVALID_FIELD_VALUE 'copyFiles' has no effect in host jobs",
      "warning 6:3 INVALID_FIELD_VALUE 'artifactPath' has no effect in host jobs",
    ]);
    expect(check('workflow: a\na:\n  host: true\n  copyFiles: false\n  script: s\n')).to.deep.equal([]);
  });

  it('absent keys get their defaults', () => {
    expect(parseJob()).to.deep.equal({
      name: 'a',
      location: { line: 2, column: 1, length: 1 },
      base: { type: 'image', image: 'alpine', pull: 'missing' },
      script: ['x'],
      soloExecution: false,
      errexit: true,
      env: {},
      copyFiles: false,
      copyIgnore: [],
      workDir: '/root',
      workDirWritten: false,
      ports: [],
      artifacts: [],
      parallel: false,
      retry: { attempts: 1, delayMs: 1_000, backoff: 1, jitter: 0 },
      when: 'success',
      allowFailure: false,
      volumes: [],
      network: 'bridge',
      services: [],
      matrix: [],
      outputs: [],
      cache: [],
      secrets: [],
    });
  });

  it('the keys of pin are part of the model', () => {
    const job = parseJob(
      'script: |',
      '  a',
      '  b',
      'soloExecution: true',
      'errexit: false',
      'env: A=1=2',
      'copyFiles: true',
      'workDir: /app',
      'port: [8080:80, "127.0.0.1:8080:80", "localhost:1:2", "[::1]:3:4"]',
      'artifactPath: out',
      'parallel: true',
      'retry: { attempts: 3, delay: 0, backoff: 2 }',
      'timeout: 1.5',
    );
    expect(job).to.deep.include({
      script: ['a\nb\n'],
      soloExecution: true,
      errexit: false,
      env: { A: '1=2' },
      copyFiles: true,
      workDir: '/app',
      workDirWritten: true,
      artifactPath: 'out',
      parallel: true,
      retry: { attempts: 3, delayMs: 0, backoff: 2, jitter: 0 },
      timeoutMs: 1_500,
      ports: [
        { hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 },
        { hostIp: '127.0.0.1', hostPort: 8080, containerPort: 80 },
        { hostIp: '127.0.0.1', hostPort: 1, containerPort: 2 },
        { hostIp: '::1', hostPort: 3, containerPort: 4 },
      ],
    });
    expect(parseValid('workflow: a\na: { dockerfile: docker/Dockerfile, script: s }\n').jobs[0]?.base).to.deep.equal({
      type: 'dockerfile',
      path: 'docker/Dockerfile',
    });
    expect(parseJob('env: [A=1, B=, A=2]').env).to.deep.equal({ A: '2', B: '' });
    expect(parseJob('env: { A: 1.10, B: true, C: "", D: x }').env).to.deep.equal({
      A: '1.10',
      B: 'true',
      C: '',
      D: 'x',
    });
    expect(parseValid('workflow: a\na: { host: true, workDir: sub/folder, script: s }\n').jobs[0]?.workDir).to.equal(
      'sub/folder',
    );
  });

  it('`copyIgnore` distinguishes gitignore patterns and regular expressions', () => {
    const gitignore = [
      '*.log',
      '.env*',
      '.*',
      'c++/',
      'node_modules',
      '/dist',
      '!keep',
      '**/x',
      '[a-z].txt',
      'a?b',
      '[]]',
      '[!]a]',
    ];
    const expressions = ['helper/.*/.py', '^src', 'x$', 'a|b', '\\.py', 'a.+b'];
    expect(parseJob(`copyIgnore: ${JSON.stringify(gitignore)}`).copyIgnore).to.deep.equal(
      gitignore.map((pattern) => ({ gitignore: pattern })),
    );
    expect(parseJob(`copyIgnore: ${JSON.stringify(expressions)}`).copyIgnore).to.deep.equal(
      expressions.map((expression) => ({ expression })),
    );
    expect(parseJob('copyIgnore: ["(a|b", "foo$*"]').copyIgnore, 'one that does not compile').to.deep.equal([
      { gitignore: '(a|b' },
      { gitignore: 'foo$*' },
    ]);
  });
});
