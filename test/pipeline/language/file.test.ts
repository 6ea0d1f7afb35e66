import { expect } from 'chai';
import { checkPipeline } from '../../../server/pipeline/language/check.ts';
import { oneJob, told, treeOf } from './told.ts';

const parse = 'INVALID_CONFIG failed to parse YAML configuration:';

/** specs of the file as a whole: what is in it, and all that is to be said. */
const files: readonly (readonly [string, string, readonly string[]])[] = [
  ['an empty file', '', ['1:1 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['a file of comments', '# nothing\n', ['1:1 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['a list', '- a\n', [`1:1 ${parse} the file must be a mapping (key: value), found list`]],
  ['a text', 'hello\n', [`1:1 ${parse} the file must be a mapping (key: value), found string`]],
  ['broken YAML', 'workflow: [a\na: {}\n', [`2:1 ${parse} flow sequence in block collection must be sufficiently indented and end with a ]`]],
  ['tabs', 'workflow: [a]\na:\n\timage: alpine\n', [`3:1 ${parse} tabs cannot indent YAML; use spaces`]],
  ['a second document', 'workflow: a\na: { image: x }\n---\nb: 1\n', [`3:1 ${parse} only one document is read; remove the line "---" and what follows, or what comes before`]],
  ['YAML 1.1', '%YAML 1.1\n---\nworkflow: a\na: { image: x }\n', [`1:1 ${parse} only YAML 1.2 is read; remove the line that says otherwise`]],
  ['a key given twice', 'workflow: a\na:\n  image: x\n  image: y\n', [`4:3 ${parse} the key "image" is given twice, first in line 3`]],
  ['a key given twice in two spellings', 'workflow: a\na:\n  image: x\n  Image: y\n', [`4:3 ${parse} the key "Image" is given twice, first in line 3 as "image": keys match without regard to case`]],
  ['a job given twice in two spellings', 'workflow: a\na: { image: x }\nA: { image: y }\n', [`3:1 ${parse} the key "A" is given twice, first in line 2 as "a": keys match without regard to case`]],
  ['a setting given twice in two spellings', 'workflow: a\nWorkflow: a\na: { image: x }\n', [`2:1 ${parse} the key "Workflow" is given twice, first in line 1 as "workflow": keys match without regard to case`]],
  ['keys given twice and mistakes besides', 'workflow: a\na:\n  image: 5\n  script: x\n  script: y\n', [
    "3:10 INVALID_FIELD_TYPE 'image' must be a string", `5:3 ${parse} the key "script" is given twice, first in line 4`]],
  ['an alias to nothing', 'workflow: a\na: { image: *x }\n', [`2:13 ${parse} there is no "&x" before this "*x"`]],
  ['an alias to itself', 'workflow: a\na: &a { image: x, env: *a }\n', [`2:24 ${parse} "*a" stands inside of what it repeats`]],
  ['a tag', 'workflow: a\na: { image: x, condition: !$A }\n', [`2:27 ${parse} unresolved tag: !$A`]],
  ['a list for a key', '? [a]\n: b\n', [`1:3 ${parse} a key must be a plain word or a text in quotes`]],

  ['no workflow', 'a: { image: x }\n', ['1:1 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['a workflow of nothing', 'workflow:\na: { image: x }\n', ['1:1 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['an empty workflow', 'workflow: []\na: { image: x }\n', ['1:11 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['a workflow of white space', 'workflow: "  "\na: { image: x }\n', ['1:11 MISSING_FIELD workflow must be defined and cannot be empty']],
  ['a workflow that is a mapping', 'workflow: { a: b }\na: { image: x }\n', ["1:11 INVALID_FIELD_TYPE 'workflow' must be a string or array of strings"]],
  ['an item of the workflow that is no name', 'workflow: [a, [b], ""]\na: { image: x }\n', [
    '1:15 INVALID_FIELD_TYPE all workflow items must be strings, found list at index 1', '1:20 INVALID_FIELD_VALUE workflow item at index 2 cannot be empty']],
  ['a job that is not there', 'workflow: [a, b, b]\na: { image: x }\n', ["1:15 MISSING_FIELD job 'b' is not defined or is empty"]],
  ['a job of nothing', 'workflow: [A]\na:\n', ["2:1 MISSING_FIELD job 'A' is not defined or is empty"]],
  ['an empty job', 'workflow: [a]\na: {}\n', ["2:1 MISSING_FIELD job 'a' is not defined or is empty"]],
  ['a job that is a text', 'workflow: [a]\na: alpine\n', ["2:1 MISSING_FIELD job 'a' is not defined or is empty"]],
  ['a setting for a job', 'workflow: [docker]\ndocker: { host: unix:///x }\n', ["1:12 MISSING_FIELD job 'docker' is not defined or is empty"]],
  ['a job with control characters in its name', 'workflow: ["a\\nb"]\n"a\\nb": { image: x }\n', ['2:1 INVALID_FIELD_VALUE the name of a job must be one line of 1 to 200 characters']],
  ['logsWithTime that is neither', 'workflow: a\na: { image: x }\nlogsWithTime: yes\n', ["3:15 INVALID_FIELD_TYPE 'logsWithTime' must be a boolean value"]],
  ['failFast that is neither', 'workflow: a\na: { image: x }\nfailFast: 1\n', ["3:11 INVALID_FIELD_TYPE 'failFast' must be a boolean value"]],
  ['a name that is a list', 'workflow: a\na: { image: x }\nname: [x]\n', ["3:7 INVALID_FIELD_TYPE 'name' must be a string"]],

  ['an unknown key at the top', 'workflow: a\na: { image: x }\nlogsWithTme: true\n', ["warning 3:1 UNKNOWN_FIELD unknown key 'logsWithTme'"]],
  ['an unknown key of a job', oneJob('scripts: x'), ["warning 4:3 UNKNOWN_FIELD unknown key 'scripts'"]],
  ['an unknown key of retry', oneJob('retry: { attempt: 3 }'), ["warning 4:12 UNKNOWN_FIELD unknown key 'attempt'"]],
  ['an unknown key of docker', 'workflow: a\na: { image: x }\ndocker: { hots: x }\n', ["warning 3:11 UNKNOWN_FIELD unknown key 'hots'"]],
  ['a job that is not in the workflow', 'workflow: a\na: { image: x }\nb: { image: 5, port: [] , retry: x }\n', ["warning 3:1 UNKNOWN_FIELD job 'b' is not in the workflow and does not run"]],
];

/** The engine that a file asks for. */
const hosts: readonly (readonly [string, string | undefined])[] = [
  ['""', 'docker.host cannot be empty'],
  ['"  "', 'docker.host cannot be empty'],
  ['', 'docker.host cannot be empty'],
  ['localhost:2375', 'docker.host must start with a valid protocol (tcp://, unix://, npipe://, ssh://), got: localhost:2375'],
  ['http://x:1', 'docker.host must start with a valid protocol (tcp://, unix://, npipe://, ssh://), got: http://x:1'],
  ['tcp://', 'docker.host tcp:// format requires host and port (e.g., tcp://localhost:2375)'],
  ['"tcp://:2375"', 'docker.host tcp:// format requires host and port (e.g., tcp://localhost:2375)'],
  ['tcp://localhost', 'docker.host tcp:// format must include port (e.g., tcp://localhost:2375)'],
  ['"tcp://localhost:"', 'docker.host tcp:// format must include port (e.g., tcp://localhost:2375)'],
  ['"tcp://[::1]"', 'docker.host tcp:// format must include port (e.g., tcp://localhost:2375)'],
  ['tcp://localhost:2375', undefined], ['"tcp://[::1]:2375"', undefined], ['unix:///var/run/docker.sock', undefined], ['npipe:////./pipe/docker_engine', undefined], ['ssh://me@there', undefined],
];

describe('the file of a pipeline', () => {
  for (const [title, text, expected] of files) {
    it(`is told of ${title}`, () => expect(told(text)).to.deep.equal(expected));
  }

  it('is valid with all there is at the top', () => {
    expect(treeOf('workflow: [a]\na: { image: x }\nlogsWithTime: "true"\nfailFast: false\nname: x\ndocker: { host: ssh://x }\n')).to.deep.include({ logsWithTime: true, failFast: false, dockerHost: 'ssh://x' });
    expect(treeOf('workflow: a\na: { image: x }\ndocker:\n')).to.deep.include({ logsWithTime: false, failFast: true }).and.not.have.property('dockerHost');
    for (const yes of ['true', '1', '"1"', '"TRUE"']) expect(treeOf(`workflow: a\na: { image: x }\nlogsWithTime: ${yes}\n`).logsWithTime, yes).to.equal(true);
    for (const no of ['false', '0', '"false"']) expect(treeOf(`workflow: a\na: { image: x }\nlogsWithTime: ${no}\n`).logsWithTime, no).to.equal(false);
  });

  for (const [written, message] of hosts) {
    it(`${message === undefined ? 'takes' : 'refuses'} the engine ${written || 'nothing'}`, () => {
      expect(told(`workflow: a\na: { image: x }\ndocker: { host: ${written} }\n`).map((line) => line.replace(/^3:\d+ /, ''))).to.deep.equal(message === undefined ? [] : [`INVALID_FIELD_VALUE ${message}`]);
    });
  }

  it('tells the engine as its author spelled it', () => {
    expect(told('workflow: a\na: { image: x }\nDocker: { HOST: "" }\n')).to.deep.equal(['3:17 INVALID_FIELD_VALUE Docker.HOST cannot be empty']);
    expect(told('workflow: a\na: { image: x }\ndocker: x\n')).to.deep.equal(["3:9 INVALID_FIELD_TYPE 'docker' must be an object"]);
    expect(told('workflow: a\na: { image: x }\ndocker: { host: 5 }\n')).to.deep.equal(["3:17 INVALID_FIELD_TYPE 'docker.host' must be a string"]);
  });

  it('has its workflow as a list or as words, with the place of each', () => {
    const places = (text: string) => treeOf(text).workflow?.map(({ name, place }) => [name, place.line, place.column, place.length]);
    const jobs = 'build: { image: x }\ntest: { image: x }\n';
    expect(places(`workflow: [build, test]\n${jobs}`)).to.deep.equal([['build', 1, 12, 5], ['test', 1, 19, 4]]);
    expect(places(`workflow: build   test\n${jobs}`)).to.deep.equal([['build', 1, 11, 5], ['test', 1, 19, 4]]);
    expect(places(`workflow: >\n  build\n   test\n${jobs}`)).to.deep.equal([['build', 2, 3, 5], ['test', 3, 4, 4]]);
    expect(places(`workflow: |\n  build\n  test\n${jobs}`)).to.deep.equal([['build', 2, 3, 5], ['test', 3, 3, 4]]);
    expect(places(`workflow: "build\n  test"\n${jobs}`)).to.deep.equal([['build', 1, 12, 5], ['test', 2, 3, 4]]);
  });

  it('may name a job twice, which then runs twice', () => {
    const { workflow, jobs } = treeOf('workflow: [a, b, a]\nb: { image: x }\na: { image: x }\n');
    expect(workflow?.map(({ name }) => name)).to.deep.equal(['a', 'b', 'a']);
    expect(jobs.map(({ name }) => name)).to.deep.equal(['b', 'a']);
  });

  it('matches keys and names of jobs without regard to case, and calls jobs as the workflow spells them first', () => {
    const { workflow, jobs } = treeOf('WORKFLOW: [Build, test, BUILD]\nbuild: { IMAGE: x, CopyFiles: true }\nTEST: { image: x, Needs: bUILD }\n');
    expect(workflow?.map(({ name }) => name)).to.deep.equal(['Build', 'test', 'Build']);
    expect(jobs.map(({ name, copyFiles }) => [name, copyFiles])).to.deep.equal([['Build', true], ['test', false]]);
    expect(jobs[1]?.needs?.map(({ name }) => name)).to.deep.equal(['Build']);
  });

  it('may have jobs with names that are numbers, or words of JavaScript', () => {
    expect(treeOf('workflow: [1.10, __proto__, constructor]\n1.10: { image: x }\n__proto__: { image: x }\nconstructor: { image: x }\n').jobs.map(({ name }) => name)).to.deep.equal(['1.10', '__proto__', 'constructor']);
  });

  it('may have jobs called failFast and name, as files of pin may', () => {
    expect(treeOf('workflow: [failfast, name]\nfailFast: { image: x }\nname: { image: y }\n').jobs.map(({ name }) => name)).to.deep.equal(['failfast', 'name']);
  });

  it('needs no workflow where jobs say what they need', () => {
    const { workflow, jobs } = treeOf('b: { image: x, needs: [a] }\na: { image: x }\n');
    expect(workflow).to.equal(undefined);
    expect(jobs.map(({ name }) => name)).to.deep.equal(['b', 'a']);
    expect(told('b: { image: x, needs: [a] }\na:\n')).to.deep.equal(["2:1 MISSING_FIELD job 'a' is not defined or is empty"]);
    expect(told('b: { image: x, needs: [] }\nversion: 3\n')).to.deep.equal(["warning 2:1 UNKNOWN_FIELD unknown key 'version'"]);
    expect(told('workflow: []\nb: { image: x, needs: [] }\n')).to.deep.equal(['1:11 MISSING_FIELD workflow must be defined and cannot be empty']);
  });

  it('reads yes, no, on and off as texts, and 8080:80 too', () => {
    expect(treeOf('workflow: a\na: { image: yes, script: [no, on, off], port: 8080:80 }\n').jobs[0]).to.deep.include({
      script: ['no', 'on', 'off'], ports: [{ hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }] });
  });

  it('may repeat values by alias, each of which is told at the place where it stands', () => {
    expect(treeOf('workflow: [a, b]\na: { image: x, env: &e [A=1] }\nb: { image: x, env: *e }\n').jobs.map(({ env }) => env)).to.deep.equal([{ A: '1' }, { A: '1' }]);
    expect(told('workflow: [a, b]\na: { image: &i 5 }\nb: { image: *i }\n')).to.deep.equal(["2:16 INVALID_FIELD_TYPE 'image' must be a string", "2:16 INVALID_FIELD_TYPE 'image' must be a string"]);
  });

  it('may begin with a byte order mark, and have line ends of any kind', () => {
    expect(told('\uFEFFworkflow: a\r\na:\r\n  image: 5\r\n')).to.deep.equal(["3:10 INVALID_FIELD_TYPE 'image' must be a string"]);
  });

  it('is told everything at once, in its order, with the job and the spelling of the author', () => {
    const text = 'workflow: [Build, lint]\nbuild:\n  IMAGE: 5\n  copyfiles: maybe\n  Retry: { Attempts: 0 }\n';
    expect(checkPipeline(text).complaints).to.deep.equal([
      { code: 'MISSING_FIELD', severity: 'error', message: "job 'lint' is not defined or is empty", job: 'lint', line: 1, column: 19, length: 4, suggestions: [] },
      { code: 'INVALID_FIELD_TYPE', severity: 'error', message: "'IMAGE' must be a string", job: 'Build', field: 'IMAGE', line: 3, column: 10, length: 1, suggestions: ['put it in quotes: "5"'] },
      { code: 'INVALID_FIELD_TYPE', severity: 'error', message: "'copyfiles' must be a boolean value", job: 'Build', field: 'copyfiles', line: 4, column: 14, length: 5, suggestions: ['write true or false'] },
      { code: 'INVALID_RETRY_CONFIG', severity: 'error', message: 'Retry.Attempts must be at least 1', job: 'Build', field: 'Retry.Attempts', line: 5, column: 22, length: 1, suggestions: [] },
    ]);
  });

  it('gives a pipeline exactly when nothing is an error', () => {
    expect(checkPipeline(oneJob('foo: 1'))).to.have.property('pipeline');
    expect(checkPipeline(oneJob('script: []'))).not.to.have.property('pipeline');
  });

  it('suggests what was probably meant', () => {
    const ways = (text: string) => checkPipeline(text).complaints.flatMap(({ suggestions }) => suggestions);
    expect(ways('workflow: [buil]\nbuild: { image: x }\n')).to.deep.equal(["did you mean 'build'?"]);
    expect(ways(oneJob('scirpt: x'))).to.deep.equal(["did you mean 'script'?"]);
    expect(ways('workflow: [a]\na: { image: x }\nloogsWithTime: true\n')).to.deep.equal(["did you mean 'logsWithTime'?"]);
    expect(ways(oneJob('<<: x'))).to.deep.equal(['YAML 1.2 has no merge keys: write the keys out']);
    expect(ways('a: { image: x }\nb: { image: x }\n')).to.deep.equal(['write workflow: [a, b]', "or order the jobs by 'needs'"]);
    expect(ways('workflow: [docker]\n')).to.deep.equal(["'docker' is a setting of the file; give the job another name"]);
    expect(ways(oneJob('condition: !$A'))).to.deep.equal(["put a value that begins with '!' in quotes"]);
    expect(ways(oneJob('copyIgnore: [*.log]'))).to.deep.equal(["put a text that begins with '*' in quotes"]);
    expect(ways(oneJob('script:', '  - echo "A: b"'))).to.deep.equal([`put the line in quotes: 'echo "A: b"'`]);
    expect(ways(oneJob("script: [ don't: x ]"))).to.deep.equal(["put the line in quotes: 'don''t: x'"]);
    expect(ways(oneJob('copyFiles: yes'))).to.deep.equal(['write true, without quotes']);
  });
});
