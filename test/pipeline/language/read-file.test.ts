// Tests pipeline files as a whole: top-level keys, the workflow, spellings and diagnostics.

import { expect } from 'chai';
import { parsePipeline } from '../../../server/pipeline/language/check.ts';
import { check, oneJob, parseValid } from '../../helpers/pipeline/check-text.ts';

const parse = 'INVALID_CONFIG failed to parse YAML configuration:';

/** Titles of files, their contents, and all their diagnostics. */
const files: readonly (readonly [string, string, readonly string[]])[] = [
  ['an empty file', '', ['1:1 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['a file with only comments', '# nothing\n', ['1:1 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['a list', '- a\n', [`1:1 ${parse} the file must be a mapping (key: value), found list`]],
  ['a string', 'hello\n', [`1:1 ${parse} the file must be a mapping (key: value), found string`]],
  [
    'broken YAML',
    'workflow: [a\na: {}\n',
    [`2:1 ${parse} flow sequence in block collection must be sufficiently indented and end with a ]`],
  ],
  ['tabs', 'workflow: [a]\na:\n\timage: alpine\n', [`3:1 ${parse} tabs cannot indent YAML; use spaces`]],
  [
    'a second document',
    'workflow: a\na: { image: x, script: s }\n---\nb: 1\n',
    [`3:1 ${parse} only one document is allowed; remove the line "---" and one of the two documents`],
  ],
  [
    'YAML 1.1',
    '%YAML 1.1\n---\nworkflow: a\na: { image: x, script: s }\n',
    [`1:1 ${parse} only YAML 1.2 is supported; remove the line "%YAML"`],
  ],
  [
    'a duplicate key',
    'workflow: a\na:\n  image: x\n  image: y\n  script: s\n',
    [`4:3 ${parse} the key "image" is defined twice, first in line 3`],
  ],
  [
    'a duplicate key in two spellings',
    'workflow: a\na:\n  image: x\n  Image: y\n  script: s\n',
    [`4:3 ${parse} the key "Image" is defined twice, first in line 3 as "image": keys match without regard to case`],
  ],
  [
    'a duplicate job in two spellings',
    'workflow: a\na: { image: x, script: s }\nA: { image: y, script: s }\n',
    [`3:1 ${parse} the key "A" is defined twice, first in line 2 as "a": keys match without regard to case`],
  ],
  [
    'a duplicate setting in two spellings',
    'workflow: a\nWorkflow: a\na: { image: x, script: s }\n',
    [
      `2:1 ${parse} the key "Workflow" is defined twice, first in line 1 as "workflow": keys match ` +
        'without regard to case',
    ],
  ],
  [
    'duplicate keys and other errors',
    'workflow: a\na:\n  image: 5\n  script: x\n  script: y\n',
    [
      "3:10 INVALID_FIELD_TYPE 'image' must be a string",
      `5:3 ${parse} the key "script" is defined twice, first in line 4`,
    ],
  ],
  [
    'an alias without an anchor',
    'workflow: a\na: { image: *x, script: s }\n',
    [`2:13 ${parse} the alias "*x" has no anchor "&x" before it`],
  ],
  [
    'an alias to itself',
    'workflow: a\na: &a { image: x, env: *a }\n',
    [`2:24 ${parse} the alias "*a" is inside the value it repeats`],
  ],
  ['a tag', 'workflow: a\na: { image: x, condition: !$A, script: s }\n', [`2:27 ${parse} unresolved tag: !$A`]],
  ['a list as key', '? [a]\n: b\n', [`1:3 ${parse} a key must be a plain word or a quoted string`]],

  ['no workflow', 'a: { image: x, script: s }\n', ['1:1 MISSING_FIELD workflow must be defined and cannot be empty']],
  [
    'a workflow without a value',
    'workflow:\na: { image: x, script: s }\n',
    ['1:1 MISSING_FIELD workflow must be defined and cannot be empty'],
  ],
  [
    'an empty workflow',
    'workflow: []\na: { image: x, script: s }\n',
    ['1:11 MISSING_FIELD workflow must be defined and cannot be empty'],
  ],
  [
    'a blank workflow',
    'workflow: "  "\na: { image: x, script: s }\n',
    ['1:11 MISSING_FIELD workflow must be defined and cannot be empty'],
  ],
  [
    'a workflow that is a mapping',
    'workflow: { a: b }\na: { image: x, script: s }\n',
    ["1:11 INVALID_FIELD_TYPE 'workflow' must be a string or array of strings"],
  ],
  [
    'a workflow item that is not a name',
    'workflow: [a, [b], ""]\na: { image: x, script: s }\n',
    [
      '1:15 INVALID_FIELD_TYPE all workflow items must be strings, found list at index 1',
      '1:20 INVALID_FIELD_VALUE workflow item at index 2 cannot be empty',
    ],
  ],
  [
    'a job that does not exist',
    'workflow: [a, b, b]\na: { image: x, script: s }\n',
    ["1:15 MISSING_FIELD job 'b' is not defined or is empty"],
  ],
  ['a job without a value', 'workflow: [A]\na:\n', ["2:1 MISSING_FIELD job 'A' is not defined or is empty"]],
  ['an empty job', 'workflow: [a]\na: {}\n', ["2:1 MISSING_FIELD job 'a' is not defined or is empty"]],
  ['a job that is a string', 'workflow: [a]\na: alpine\n', ["2:1 MISSING_FIELD job 'a' is not defined or is empty"]],
  [
    'a setting in the workflow',
    'workflow: [docker]\ndocker: { host: unix:///x }\n',
    ["1:12 MISSING_FIELD job 'docker' is not defined or is empty"],
  ],
  [
    'a job with control characters in its name',
    'workflow: ["a\\nb"]\n"a\\nb": { image: x, script: s }\n',
    ['2:1 INVALID_FIELD_VALUE the name of a job must be one line of 1 to 200 characters'],
  ],
  [
    'an invalid logsWithTime',
    'workflow: a\na: { image: x, script: s }\nlogsWithTime: yes\n',
    ["3:15 INVALID_FIELD_TYPE 'logsWithTime' must be a boolean value"],
  ],
  [
    'an invalid failFast',
    'workflow: a\na: { image: x, script: s }\nfailFast: 1\n',
    ["3:11 INVALID_FIELD_TYPE 'failFast' must be a boolean value"],
  ],
  [
    'a name that is a list',
    'workflow: a\na: { image: x, script: s }\nname: [x]\n',
    ["3:7 INVALID_FIELD_TYPE 'name' must be a string"],
  ],

  [
    'an unknown key at the top',
    'workflow: a\na: { image: x, script: s }\nlogsWithTme: true\n',
    ["warning 3:1 UNKNOWN_FIELD unknown key 'logsWithTme'"],
  ],
  ['an unknown key of a job', oneJob('scripts: x'), ["warning 4:3 UNKNOWN_FIELD unknown key 'scripts'"]],
  ['an unknown key of retry', oneJob('retry: { attempt: 3 }'), ["warning 4:12 UNKNOWN_FIELD unknown key 'attempt'"]],
  [
    'an unknown key of docker',
    'workflow: a\na: { image: x, script: s }\ndocker: { hots: x }\n',
    ["warning 3:11 UNKNOWN_FIELD unknown key 'hots'"],
  ],
  [
    'a job that is not in the workflow',
    'workflow: a\na: { image: x, script: s }\nb: { image: 5, port: [] , retry: x, script: s }\n',
    ["warning 3:1 UNKNOWN_FIELD job 'b' is not in the workflow and does not run"],
  ],
];

/** Values of docker.host, and their errors. */
const hosts: readonly (readonly [string, string | undefined])[] = [
  ['""', 'docker.host cannot be empty'],
  ['"  "', 'docker.host cannot be empty'],
  ['', undefined],
  [
    'localhost:2375',
    'docker.host must start with a valid protocol (tcp://, unix://, npipe://, ssh://), got: localhost:2375',
  ],
  ['http://x:1', 'docker.host must start with a valid protocol (tcp://, unix://, npipe://, ssh://), got: http://x:1'],
  ['tcp://', 'docker.host tcp:// format requires host and port (e.g., tcp://localhost:2375)'],
  ['"tcp://:2375"', 'docker.host tcp:// format requires host and port (e.g., tcp://localhost:2375)'],
  ['tcp://localhost', 'docker.host tcp:// format must include port (e.g., tcp://localhost:2375)'],
  ['"tcp://localhost:"', 'docker.host tcp:// format must include port (e.g., tcp://localhost:2375)'],
  ['"tcp://[::1]"', 'docker.host tcp:// format must include port (e.g., tcp://localhost:2375)'],
  ['tcp://localhost:2375', undefined],
  ['"tcp://[::1]:2375"', undefined],
  ['unix:///var/run/docker.sock', undefined],
  ['npipe:////./pipe/docker_engine', undefined],
  ['ssh://me@there', undefined],
];

describe('the file of a pipeline', () => {
  for (const [title, text, expected] of files) {
    it(`the check reports ${title}`, () => expect(check(text)).to.deep.equal(expected));
  }

  it('a file with every top-level key is valid', () => {
    expect(
      parseValid(
        'workflow: [a]\na: { image: x, script: s }\nlogsWithTime: "true"\nfailFast: false\nname: x\n' +
          'docker: { host: ssh://x }\n',
      ),
    ).to.deep.include({ logsWithTime: true, failFast: false, dockerHost: 'ssh://x' });
    expect(parseValid('workflow: a\na: { image: x, script: s }\ndocker:\n'))
      .to.deep.include({ logsWithTime: false, failFast: true })
      .and.not.have.property('dockerHost');
    for (const yes of ['true', '1', '"1"', '"TRUE"'])
      expect(parseValid(`workflow: a\na: { image: x, script: s }\nlogsWithTime: ${yes}\n`).logsWithTime, yes).to.equal(
        true,
      );
    for (const no of ['false', '0', '"false"'])
      expect(parseValid(`workflow: a\na: { image: x, script: s }\nlogsWithTime: ${no}\n`).logsWithTime, no).to.equal(
        false,
      );
  });

  for (const [written, message] of hosts) {
    it(`the check ${message === undefined ? 'accepts' : 'rejects'} the engine address ${written || 'nothing'}`, () => {
      expect(
        check(`workflow: a\na: { image: x, script: s }\ndocker: { host: ${written} }\n`).map((line) =>
          line.replace(/^3:\d+ /, ''),
        ),
      ).to.deep.equal(message === undefined ? [] : [`INVALID_FIELD_VALUE ${message}`]);
    });
  }

  it('errors in `docker` name the keys as their author spelled them', () => {
    expect(check('workflow: a\na: { image: x, script: s }\nDocker: { HOST: "" }\n')).to.deep.equal([
      '3:17 INVALID_FIELD_VALUE Docker.HOST cannot be empty',
    ]);
    expect(check('workflow: a\na: { image: x, script: s }\ndocker: x\n')).to.deep.equal([
      "3:9 INVALID_FIELD_TYPE 'docker' must be an object",
    ]);
    expect(check('workflow: a\na: { image: x, script: s }\ndocker: { host: 5 }\n')).to.deep.equal([
      "3:17 INVALID_FIELD_TYPE 'docker.host' must be a string",
    ]);
  });

  it('the workflow is a list or a string of names, and the model has the location of each', () => {
    const positionsIn = (text: string) =>
      parseValid(text).workflow?.map(({ name, location }) => [name, location.line, location.column, location.length]);
    const jobs = 'build: { image: x, script: s }\ntest: { image: x, script: s }\n';
    expect(positionsIn(`workflow: [build, test]\n${jobs}`)).to.deep.equal([
      ['build', 1, 12, 5],
      ['test', 1, 19, 4],
    ]);
    expect(positionsIn(`workflow: build   test\n${jobs}`)).to.deep.equal([
      ['build', 1, 11, 5],
      ['test', 1, 19, 4],
    ]);
    expect(positionsIn(`workflow: >\n  build\n   test\n${jobs}`)).to.deep.equal([
      ['build', 2, 3, 5],
      ['test', 3, 4, 4],
    ]);
    expect(positionsIn(`workflow: |\n  build\n  test\n${jobs}`)).to.deep.equal([
      ['build', 2, 3, 5],
      ['test', 3, 3, 4],
    ]);
    expect(positionsIn(`workflow: "build\n  test"\n${jobs}`)).to.deep.equal([
      ['build', 1, 12, 5],
      ['test', 2, 3, 4],
    ]);
  });

  it('the workflow may name a job twice, and the model has the job once', () => {
    const { workflow, jobs } = parseValid(
      'workflow: [a, b, a]\nb: { image: x, script: s }\na: { image: x, script: s }\n',
    );
    expect(workflow?.map(({ name }) => name)).to.deep.equal(['a', 'b', 'a']);
    expect(jobs.map(({ name }) => name)).to.deep.equal(['b', 'a']);
  });

  it('keys and job names match without regard to case, and the first spelling in the workflow names the job', () => {
    const { workflow, jobs } = parseValid(
      'WORKFLOW: [Build, test, BUILD]\nbuild: { IMAGE: x, CopyFiles: true, script: s }\n' +
        'TEST: { image: x, Needs: bUILD, script: s }\n',
    );
    expect(workflow?.map(({ name }) => name)).to.deep.equal(['Build', 'test', 'Build']);
    expect(jobs.map(({ name, copyFiles }) => [name, copyFiles])).to.deep.equal([
      ['Build', true],
      ['test', false],
    ]);
    expect(jobs[1]?.needs?.map(({ name }) => name)).to.deep.equal(['Build']);
  });

  it('job names may be numbers, or names of built-in JavaScript properties', () => {
    expect(
      parseValid(
        'workflow: [1.10, __proto__, constructor]\n1.10: { image: x, script: s }\n__proto__: { image: x, ' +
          'script: s }\nconstructor: { image: x, script: s }\n',
      ).jobs.map(({ name }) => name),
    ).to.deep.equal(['1.10', '__proto__', 'constructor']);
  });

  it('jobs may be called failFast and name, as in files for pin', () => {
    expect(
      parseValid(
        'workflow: [failfast, name]\nfailFast: { image: x, script: s }\nname: { image: y, script: s }\n',
      ).jobs.map(({ name }) => name),
    ).to.deep.equal(['failfast', 'name']);
  });

  it('a file needs no workflow if its jobs have `needs`', () => {
    const { workflow, jobs } = parseValid('b: { image: x, needs: [a], script: s }\na: { image: x, script: s }\n');
    expect(workflow).to.equal(undefined);
    expect(jobs.map(({ name }) => name)).to.deep.equal(['b', 'a']);
    expect(check('b: { image: x, needs: [a], script: s }\na:\n')).to.deep.equal([
      "2:1 MISSING_FIELD job 'a' is not defined or is empty",
    ]);
    expect(check('b: { image: x, needs: [], script: s }\nversion: 3\n')).to.deep.equal([
      "warning 2:1 UNKNOWN_FIELD unknown key 'version'",
    ]);
    expect(check('workflow: []\nb: { image: x, needs: [], script: s }\n')).to.deep.equal([
      '1:11 MISSING_FIELD workflow must be defined and cannot be empty',
    ]);
  });

  it('yes, no, on, off and 8080:80 are strings', () => {
    expect(
      parseValid('workflow: a\na: { image: yes, script: [no, on, off], port: 8080:80 }\n').jobs[0],
    ).to.deep.include({
      script: ['no', 'on', 'off'],
      ports: [{ hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }],
    });
  });

  it('an error in a repeated alias is reported where the value is written', () => {
    expect(
      parseValid(
        'workflow: [a, b]\na: { image: x, env: &e [A=1], script: s }\nb: { image: x, env: *e, script: s }\n',
      ).jobs.map(({ env }) => env),
    ).to.deep.equal([{ A: '1' }, { A: '1' }]);
    expect(check('workflow: [a, b]\na: { image: &i 5, script: s }\nb: { image: *i, script: s }\n')).to.deep.equal([
      "2:16 INVALID_FIELD_TYPE 'image' must be a string",
    ]);
  });

  it('L1: a job takes over the keys of a merge key, except those that it has itself in any letter case', () => {
    const { jobs } = parseValid(
      'workflow: [j, k, l]\nbase: &b { image: alpine, script: echo base, env: { A: 1 } }\n' +
        'more: &m { image: busybox, user: 5 }\n' +
        'j: { <<: *b, script: echo x }\nk: { <<: [*m, *b], SCRIPT: echo y }\n' +
        'l:\n  <<: *b\n  env: { <<: { A: 3, B: 3 }, B: 2 }\n',
    );
    expect(jobs.map(({ base, script, env, user }) => ({ base, script, env, user }))).to.deep.equal([
      {
        base: { type: 'image', image: 'alpine', pull: 'missing' },
        script: ['echo x'],
        env: { A: '1' },
        user: undefined,
      },
      { base: { type: 'image', image: 'busybox', pull: 'missing' }, script: ['echo y'], env: { A: '1' }, user: '5' },
      {
        base: { type: 'image', image: 'alpine', pull: 'missing' },
        script: ['echo base'],
        env: { A: '3', B: '2' },
        user: undefined,
      },
    ]);
  });

  it('L1: keys that begin with x- are templates without warnings, unless the workflow names them', () => {
    expect(
      check('workflow: [j]\nx-base: &b { image: alpine, x-note: 5 }\nX-list: [5]\nj: { <<: *b, script: x, x-more: }\n'),
    ).to.deep.equal([]);
    expect(check('x-base: &b { image: alpine, needs: [] }\nj: { <<: *b, script: x }\n')).to.deep.equal([]);
    expect(parseValid('workflow: [x-ray]\nx-ray: { image: alpine, script: x }\n').jobs[0]?.name).to.equal('x-ray');
    expect(
      parsePipeline('workflow: [j]\nbase: &b { image: alpine, script: s }\nj: { <<: *b, script: x }\n').diagnostics.map(
        ({ message, suggestions }) => [message, ...suggestions],
      ),
    ).to.deep.equal([
      [
        "job 'base' is not in the workflow and does not run",
        "add it to the workflow, or begin its name with 'x-' if it is a template",
      ],
    ]);
  });

  it('L1: an error in a merged value is reported once, where the value is written', () => {
    expect(
      check('workflow: [j, k]\nx-base: &b { image: 5 }\nj: { <<: *b, script: x }\nk: { <<: *b, script: x }\n'),
    ).to.deep.equal(["2:21 INVALID_FIELD_TYPE 'image' must be a string"]);
    expect(check('workflow: [j]\nj: { <<: [5], image: x, script: x }\n')).to.deep.equal([
      `2:11 ${parse} a merge key (<<) takes a mapping or a list of mappings, such as <<: *base or <<: [*base, *more]`,
    ]);
  });

  it('L4: a NUL character and half of a surrogate pair are errors, also in comments', () => {
    for (const char of ['\0', '\ud800', '\udfff'])
      for (const text of [`workflow: a\na: { image: x, script: "${char}" }\n`, `# ${char}\n${oneJob()}`])
        expect(check(text).map((line) => line.replace(/^\d+:\d+ /, ''))).to.deep.equal([
          char === '\0'
            ? `${parse} the text has a NUL character; remove it`
            : `${parse} the text has half of a character, which UTF-8 cannot hold`,
        ]);
  });

  it('a byte order mark and any line ends are accepted', () => {
    expect(check('\uFEFFworkflow: a\r\na:\r\n  image: 5\r\n')).to.deep.equal([
      "3:10 INVALID_FIELD_TYPE 'image' must be a string",
    ]);
  });

  it('all diagnostics are reported at once, in file order, with job names as their author spelled them', () => {
    const text = 'workflow: [Build, lint]\nbuild:\n  IMAGE: 5\n  copyfiles: maybe\n  Retry: { Attempts: 0 }\n';
    expect(parsePipeline(text).diagnostics).to.deep.equal([
      {
        code: 'MISSING_FIELD',
        severity: 'error',
        message: "job 'lint' is not defined or is empty",
        job: 'lint',
        line: 1,
        column: 19,
        length: 4,
        suggestions: [],
      },
      {
        code: 'INVALID_FIELD_TYPE',
        severity: 'error',
        message: "'IMAGE' must be a string",
        job: 'Build',
        field: 'IMAGE',
        line: 3,
        column: 10,
        length: 1,
        suggestions: ['put it in quotes: "5"'],
      },
      {
        code: 'INVALID_FIELD_TYPE',
        severity: 'error',
        message: "'copyfiles' must be a boolean value",
        job: 'Build',
        field: 'copyfiles',
        line: 4,
        column: 14,
        length: 5,
        suggestions: ['write true or false'],
      },
      {
        code: 'INVALID_RETRY_CONFIG',
        severity: 'error',
        message: 'Retry.Attempts must be at least 1',
        job: 'Build',
        field: 'Retry.Attempts',
        line: 5,
        column: 22,
        length: 1,
        suggestions: [],
      },
    ]);
  });

  it('a file has a model if and only if it has no error', () => {
    expect(parsePipeline(oneJob('foo: 1'))).to.have.property('pipeline');
    expect(parsePipeline(oneJob('script: []'))).not.to.have.property('pipeline');
  });

  it('the check suggests what was probably meant', () => {
    const suggestions = (text: string) =>
      parsePipeline(text).diagnostics.flatMap((diagnostic) => diagnostic.suggestions);
    expect(suggestions('workflow: [buil]\nbuild: { image: x, script: s }\n')).to.include("did you mean 'build'?");
    expect(suggestions(oneJob('scirpt: x'))).to.deep.equal(["did you mean 'script'?"]);
    expect(suggestions('workflow: [a]\na: { image: x, script: s }\nloogsWithTime: true\n')).to.deep.equal([
      "did you mean 'logsWithTime'?",
    ]);
    expect(suggestions('a: { image: x, script: s }\nb: { image: x, script: s }\n')).to.deep.equal([
      'write workflow: [a, b]',
      "or order the jobs by 'needs'",
    ]);
    expect(suggestions('workflow: [docker]\n')).to.deep.equal([
      "'docker' is a setting of the file; choose another name for the job",
    ]);
    expect(suggestions(oneJob('condition: !$A'))).to.deep.equal(["put a value that begins with '!' in quotes"]);
    expect(suggestions(oneJob('copyIgnore: [*.log]'))).to.deep.equal(["put a string that begins with '*' in quotes"]);
    expect(suggestions(oneJob('script:', '  - echo "A: b"'))).to.deep.equal([`put the line in quotes: 'echo "A: b"'`]);
    expect(suggestions(oneJob("script: [ don't: x ]"))).to.deep.equal(["put the line in quotes: 'don''t: x'"]);
    expect(suggestions(oneJob('copyFiles: yes'))).to.deep.equal(['write true, without quotes']);
  });
});
