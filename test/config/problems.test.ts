import { expect } from 'chai';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatProblems } from '../../server/config/format.ts';
import { loadConfig } from '../../server/config/load.ts';
import { configBytesMax } from '../../server/config/read.ts';
import { inFolder } from './folder.ts';

/** What is in the file, and all that is to be said about it. */
const mistakes: readonly (readonly [string, string, readonly string[]])[] = [
  ['an unknown key at the top', 'htpp: {}', ['1:1: unknown key "htpp"; did you mean "http"?']],
  ['an unknown key that is like none', 'http: { q: 1 }', ['1:9: http: unknown key "q"; the keys here are api, listen, domain, domains, panel, origins']],
  ['a key of a later version', 'auth: {}', ['1:1: the key "auth" is not available in this version; leave it out']],
  ['a door of a later version', 'doors: { pulsar: {} }', ['1:10: doors: the key "pulsar" is not available in this version; leave it out']],
  ['a misspelt kind', 'calls:\n  a: { proces: [x] }', ['2:8: calls.a: unknown key "proces"; did you mean "process"?']],
  ['a call of no kind', 'calls:\n  a: { summary: x }', ['2:3: calls.a: what shall it do? Write one of the keys process, terminal, container, pipeline']],
  ['an empty call', 'calls:\n  a:\n', ['2:3: calls.a: must be a mapping (key: value), not nothing']],
  ['a call of two kinds', 'calls: { a: { process: [x], terminal: [y] } }', ['1:29: calls.a.terminal: a call is of one kind, and this is process and terminal; keep one of them']],
  ['a key of another kind', 'calls: { a: { process: [x], cols: 3 } }', ['1:29: calls.a.cols: "cols" is for calls of kind terminal; this one is process']],
  ['a key beside container that belongs in it', 'calls: { a: { container: { image: x }, env: { A: b } } }', ['1:40: calls.a.env: "env" is for calls of kind process and terminal; this one is container']],
  ['a bad name for a call', 'calls: { "a b": { process: [x] } }', ['1:10: calls: "a b" is not a name for a call: it must be letters, digits, ".", "_" and "-", and begin with a letter or digit']],
  ['a prototype for a call', 'calls: { __proto__: { process: [x] } }', ['1:10: calls: "__proto__" is not a name for a call: it must be letters, digits, ".", "_" and "-", and begin with a letter or digit']],
  ['a shell string', 'calls: { a: { process: ls -l } }', ['1:24: calls.a.process: must be a list, not "ls -l"']],
  ['an empty program', 'calls: { a: { process: [] } }', ['1:24: calls.a.process: [] must name a program, with its arguments as further items']],
  ['a number for an argument', 'calls: { a: { process: [sleep, 10] } }', ['1:32: calls.a.process[1]: must be a text, not 10; put it in quotes: "10"']],
  ['a umask that YAML would read as decimal', 'calls: { a: { process: [x], umask: 027 } }', ['1:36: calls.a.umask: must be a text, not 27; put it in quotes: "27"']],
  ['a umask that is not octal', 'calls: { a: { process: [x], umask: "089" } }', ['1:36: calls.a.umask: "089" must be octal digits in quotes, such as "027"']],
  ['no image', 'calls: { a: { container: { pids: 3 } } }', ['1:15: calls.a.container: the key "image" is missing']],
  ['a bad duration', 'limits: { graceMs: soon }', ['1:20: limits.graceMs: "soon" is not a duration; write one such as 500ms, 10s, 5m or 2h']],
  ['a bad size', 'limits: { messageBytesMax: lots }', ['1:28: limits.messageBytesMax: "lots" is not a size; write one such as 64k, 256m or 2g']],
  ['a limit below the least', 'limits: { messageBytesMax: 3, firstCallMs: 1ms, sessionsMax: 0 }', [
    '1:28: limits.messageBytesMax: must be at least 64, not 3', '1:44: limits.firstCallMs: must be at least 10ms, not 1ms', '1:62: limits.sessionsMax: must be >= 1, not 0']],
  ['an unknown limit', 'limits: { sessionMax: 3 }', ['1:11: limits: unknown key "sessionMax"; did you mean "sessionsMax"?']],
  ['pings too far apart', 'limits: { pingMs: 2m }', ['1:19: limits.pingMs: lostMs (1m) must be longer than pingMs (2m), or every quiet connection is lost']],
  ['a public address', 'http: { listen: "0.0.0.0:80" }', [
    '1:17: http.listen: "0.0.0.0:80" is not a loopback address; authentication is not available yet, so only 127.0.0.0/8, [::1] and localhost may be used']],
  ['a bare port', 'http: { listen: 8080 }', ['1:17: http.listen: must be a text, not 8080; put it in quotes: "8080"']],
  ['an address for a host name', 'http: { domain: "http://x" }', ['1:17: http.domain: "http://x" must be a host name, without scheme, port or path']],
  ['origins that are none', 'http: { origins: ["*", "https://x.org/", "null"] }', ['"*"', '"https://x.org/"', '"null"'].map((origin, at) =>
    `1:${[19, 24, 42][at]}: http.origins[${at}]: ${origin} is not an origin; write scheme://host or scheme://host:port, such as https://example.org`)],
  ['two systems of one slug', 'systems:\n- { slug: a, url: "https://a" }\n- { slug: A, url: "https://b" }', ['3:11: systems[1].slug: there are two systems with the slug "a"; the first is number 1']],
  ['an unfinished system', 'systems:\n- { tagline: x }', ['2:3: systems[0]: the key "slug" is missing', '2:3: systems[0]: the key "url" is missing']],
  ['a system with a strange address and time', 'systems: [{ slug: a, url: "ftp://x", lastEdit: 2026-02-30 }]', [
    '1:27: systems[0].url: "ftp://x" is not an address; write one such as https://example.org/',
    '1:48: systems[0].lastEdit: "2026-02-30" is not a time; write one such as 2026-11-22T10:30:00Z']],
  ['no folder of news', 'news: items', ['1:7: news: there is no folder "items" beside the configuration']],
  ['a disconnect policy that is none', 'calls: { a: { process: [x], onDisconnect: stay } }', [
    '1:43: calls.a.onDisconnect: "stay" is not what can be done on disconnect; write cancel, detach, or a grace such as grace:30s']],
  ['disconnect policies that are none', 'calls: { a: { process: [x], onDisconnect: { default: gone, allow: [detach, "grace:soon", 5], alow: [] } } }', [
    '1:54: calls.a.onDisconnect.default: "gone" is not what can be done on disconnect; write cancel, detach, or a grace such as grace:30s',
    '1:76: calls.a.onDisconnect.allow[1]: "soon" is not a duration; write one such as 500ms, 10s, 5m or 2h',
    '1:90: calls.a.onDisconnect.allow[2]: must be a text, not 5; put it in quotes: "5"',
    '1:94: calls.a.onDisconnect: unknown key "alow"; did you mean "allow"?']],
  ['a disconnect policy of the wrong shape', 'calls: { a: { process: [x], onDisconnect: [detach] } }', ['1:43: calls.a.onDisconnect: must be a text or a mapping, not a list']],
  ['a concurrency that is none', 'calls: { a: { process: [x], concurrency: { limit: 0, queue: -1 } } }', [
    '1:51: calls.a.concurrency.limit: must be >= 1, not 0', '1:61: calls.a.concurrency.queue: must be >= 0, not -1']],
  ['a concurrency without a limit', 'calls: { a: { process: [x], concurrency: { queue: 3 } } }', ['1:29: calls.a.concurrency: the key "limit" is missing']],
  ['a concurrency by what is nearly a param', 'calls: { a: { params: [{ name: who }], process: [x], concurrency: { limit: 1, by: wo } } }', [
    '1:83: calls.a.concurrency.by: "wo" is not a parameter of this call; did you mean "who"?']],
  ['a concurrency by a param where there is none', 'calls: { a: { process: [x], concurrency: { limit: 1, by: who } } }', [
    '1:58: calls.a.concurrency.by: "who" is not a parameter of this call; it has none']],
  ['a retention that is none', 'retention: { age: old, runs: -1, bytes: lots, years: 3 }\ncalls: { a: { process: [x], retention: { age: 1w } } }', [
    '1:19: retention.age: "old" is not an age; write one such as 12h or 30d', '1:30: retention.runs: must be >= 0, not -1',
    '1:41: retention.bytes: "lots" is not a size; write one such as 64k, 256m or 2g', '1:47: retention: unknown key "years"; the keys here are age, runs, bytes',
    '2:47: calls.a.retention.age: "1w" is not an age; write one such as 12h or 30d']],
  ['a stall and an output that are none', 'calls: { a: { process: [x], stallAfter: 100d, output: all } }', [
    '1:41: calls.a.stallAfter: "100d" is longer than the longest duration, 596h', '1:55: calls.a.output: "all" is not a size; write one such as 64k, 256m or 2g']],
  ['pipelines that may do things of the wrong shape', 'pipelines: { run: maybe, mounts: /srv, engines: [build], workspace: [] }', [
    '1:19: pipelines.run: must be true or false, not "maybe"', '1:34: pipelines.mounts: must be a list, not "/srv"',
    '1:50: pipelines.engines[0]: "build" must be an address, such as unix:///run/docker.sock or tcp://127.0.0.1:2375',
    '1:58: pipelines: unknown key "workspace"; did you mean "workspaces"?']],
  ['secrets that are nowhere, in two places, or of no name', 'secrets: { A: {}, B: { file: b, variable: B }, "C D": { file: c }, E: hidden }', [
    '1:12: secrets.A: where is it? Write one of the keys file, variable', '1:33: secrets.B.variable: it is in a file or in a variable; keep one of them',
    '1:48: secrets: "C D" is not a name for a secret: it must be letters, digits, "_", "." and "-", and begin with a letter or "_"',
    '1:71: secrets.E: must be a mapping (key: value), not "hidden"']],
  ['a pin door that is open to the world', 'doors: { pin: { listen: "0.0.0.0:8081" } }', [
    '1:25: doors.pin.listen: "0.0.0.0:8081" is not a loopback address, and whoever reaches it could run what they like; give the door a token, or write withoutToken: true if that is meant']],
  ['a pin door in two places, one of them the gateway\'s', 'doors: { pin: { listen: "127.0.0.1:0", prefix: /api/pin, maxConcurrent: 0, token: {}, allowOrigins: [x] } }', [
    '1:40: doors.pin.prefix: the door is at an address of its own (listen) or at a path of the gateway\'s (prefix); keep one of them',
    '1:48: doors.pin.prefix: "/api/pin" is inside of /api, which is the gateway\'s own; write another, such as /pin',
    '1:73: doors.pin.maxConcurrent: must be >= 1, not 0', '1:76: doors.pin.token: where is it? Write one of the keys file, variable',
    '1:102: doors.pin.allowOrigins[0]: "x" is not an origin; write scheme://host or scheme://host:port, such as https://example.org']],
  ['a call of the name that the pin door has for its own', 'doors: { pin: {} }\ncalls: { pin: { process: [x] } }', ['2:10: calls.pin: "pin" is the call of the pin door; give this one another name']],
  ['a pipeline of no file', 'calls: { a: { pipeline: { workspace: x } }, b: { pipeline: [x] }, c: { pipeline: "" } }', [
    '1:15: calls.a.pipeline: the key "file" is missing', '1:60: calls.b.pipeline: must be a text or a mapping, not a list', '1:82: calls.c.pipeline: "" must be a path']],
  ['a pipeline that is not there', 'calls: { a: { pipeline: no.yaml }, b: { pipeline: { file: no.yaml } } }', [
    '1:25: calls.a.pipeline: there is no file "no.yaml" beside the configuration', '1:59: calls.b.pipeline.file: there is no file "no.yaml" beside the configuration']],
  ['placeholders for the file and the workspace of a pipeline', 'calls: { a: { params: [{ name: p }], pipeline: { file: "${p}", workspace: "${p}", variables: { "A-B": "${q}" } } } }', [
    '1:57: calls.a.pipeline.file: ${p} is not replaced here: a parameter could name any file of this machine',
    '1:76: calls.a.pipeline.workspace: ${p} is not replaced here: a parameter could lead to any folder of this machine',
    '1:96: calls.a.pipeline.variables: "A-B" is not a name for a variable: it must be letters, digits and "_", and not begin with a digit',
    '1:104: calls.a.pipeline.variables.A-B: ${q} is not a parameter of this call; declare it under params, or write $${q} if the program is to see ${q}']],
  ['a shutdown without end', 'shutdown: { grace: ever }', ['1:20: shutdown.grace: "ever" is not a duration; write one such as 500ms, 10s, 5m or 2h']],
  ['a placeholder that is nearly a param', 'calls: { a: { params: [{ name: who }], process: [x, "a ${wo}"] } }', ['1:56: calls.a.process[1]: ${wo} is not a parameter of this call; did you mean "who"?']],
  ['a placeholder that is no param', 'calls:\n  a:\n    process: [bash, -c, "echo ${HOME}"]', [
    '3:31: calls.a.process[2]: ${HOME} is not a parameter of this call; declare it under params, or write $${HOME} if the program is to see ${HOME}']],
  ['a placeholder in a script', 'calls:\n  a:\n    process:\n      - bash\n      - -c\n      - |\n        set -e\n        echo ${x:-y}\n', [
    '8:14: calls.a.process[2]: ${x:-y} is not the name of a parameter; write $${x:-y} if the program is to see ${x:-y}']],
  ['a placeholder for the program', 'calls: { a: { params: [{ name: p }], process: ["${p}"] } }', [
    '1:49: calls.a.process[0]: ${p} is not replaced here: a parameter could name any program; write the program itself, and parameters as its arguments']],
  ['a placeholder in cwd', 'calls: { a: { params: [{ name: p }], process: [x], cwd: "/srv/${p}" } }', ['1:63: calls.a.cwd: ${p} is not replaced here: a parameter could lead to any folder of this machine']],
  ['a placeholder in volumes', 'calls: { a: { params: [{ name: p }], container: { image: x, volumes: ["/srv/${p}:/x", "${p}:/y"] } } }', [
    '1:77: calls.a.container.volumes[0]: ${p} is not replaced here: a parameter could mount any folder of this machine',
    '1:88: calls.a.container.volumes[1]: ${p} is not replaced here: a parameter could mount any folder of this machine']],
  ['a volume without a target', 'calls: { a: { container: { image: x, volumes: [/srv] } } }', [
    '1:48: calls.a.container.volumes[0]: "/srv" must be written "folder-or-volume:/path" or "folder-or-volume:/path:ro", the folder as "/…" or "./…"']],
  ['a word that is not among those allowed', 'calls: { a: { process: [x], stop: { signal: SIGTEM } } }', [
    '1:45: calls.a.stop.signal: must be one of "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL", not "SIGTEM"; did you mean "SIGTERM"?']],
  ['an optional param before a required one', 'calls: { a: { process: [x], params: [{ name: p, default: x }, { name: q }] } }', [
    '1:58: calls.a.params[0].default: "p" has a default and stands before "q", which has none; move it behind, or give both a default']],
  ['two params of one name', 'calls: { a: { process: [x], params: [{ name: p }, { name: p }] } }', ['1:59: calls.a.params[1].name: there are two parameters named "p"; the first is number 1']],
  ['a default against its schema', 'calls: { a: { process: [x], params: [{ name: p, schema: { pattern: "^a" }, default: b }] } }', [
    '1:85: calls.a.params[0].default: "b" does not fit the schema: must match pattern "^a"']],
  ['a schema that is none', 'calls: { a: { process: [x], params: [{ name: p, schema: { patern: x } }, { name: q, schema: { type: array } }] } }', [
    '1:57: calls.a.params[0].schema: not a usable JSON Schema: unknown keyword: "patern"',
    '1:93: calls.a.params[1].schema: type "array" cannot be a parameter; write one of string, integer, number, boolean']],
  ['a schema that would always pass', 'calls: { a: { process: [x], params: [{ name: p, schema: { $async: true } }] } }', ['1:57: calls.a.params[0].schema: "$async" is not available; leave it out']],
  ['a schema with a broken pattern', 'calls: { a: { process: [x], params: [{ name: p, schema: { pattern: "[" } }] } }', [
    '1:57: calls.a.params[0].schema: not a usable JSON Schema: Invalid regular expression: /[/u: Unterminated character class']],
  ['a key given twice', 'http:\n  api: true\n  api: false\n', ['3:3: http: the key "api" is given twice, first in line 2']],
  ['a mistake within an alias', 'calls:\n  a: &a { process: 5 }\n  b: *a\n', ['2:20: calls.a.process: must be a list, not 5', '2:20: calls.b.process: must be a list, not 5']],
  ['a list for the whole', '- http', ['1:1: must be a mapping (key: value), not a list']],
  ['a text for the whole', 'http', ['1:1: must be a mapping (key: value), not "http"']],
  ['broken YAML', 'http: { api: true', ['1:18: not valid YAML: flow map in block collection must be sufficiently indented and end with a }']],
  ['tabs', 'http:\n\tapi: true', ['2:1: not valid YAML: tabs cannot indent YAML; use spaces']],
  ['two documents', 'http: {}\n---\nhttp: {}', ['2:1: not valid YAML: only one document is read; remove the line "---" and what follows, or what comes before']],
  ['a tag', 'data: !secret x', ['1:7: not valid YAML: unresolved tag: !secret']],
  ['a list for a key', '? [a]\n: b', ['1:3: not valid YAML: a key must be a plain word or a text in quotes']],
  ['an alias to nothing', 'data: *x', ['1:7: there is no "&x" before this "*x"']],
  ['an alias to itself', 'calls: { a: { process: [x], params: [{ name: p, schema: &s { not: *s } }] } }', ['1:67: "*s" stands inside of what it repeats']],
];

describe('problems of a configuration', () => {
  for (const [title, text, expected] of mistakes) {
    it(`tells of ${title}`, () => inFolder(async ({ problems }) => {
      expect(await problems(text)).to.deep.equal(expected.map((line) => `distillery.yaml:${line}`));
    }));
  }

  it('are told all at once, by position', () => inFolder(async ({ problems }) => {
    const found = await problems('systems: [{ slug: a, url: x }]\nhttp:\n  api: 1\n  api: 2\ncalls:\n  a: { tmeout: 5m, process: [x, "${p}"] }\nmodules: [./no.ts]\nhtpp: x\n');
    expect(found.map((line) => line.split(' ')[0])).to.deep.equal([1, 3, 4, 6, 6, 7, 8].map((line, at) => `distillery.yaml:${line}:${[27, 8, 3, 8, 34, 11, 1][at]}:`));
  }));

  it('show the line and a caret under the spot', () => inFolder(async ({ write }) => {
    const file = await write('distillery.yaml', 'calls:\n  greet:\n    tmeout: 5m\n    process:\t[ls, 5]\n');
    const loaded = await loadConfig(file);
    const printed = loaded.ok ? '' : formatProblems(loaded.problems).replaceAll(file, 'distillery.yaml');
    expect(printed.split('\n')).to.deep.equal([
      'distillery.yaml:3:5: calls.greet: unknown key "tmeout"; did you mean "timeout"?',
      '        tmeout: 5m',
      '        ^',
      'distillery.yaml:4:19: calls.greet.process[1]: must be a text, not 5; put it in quotes: "5"',
      '        process:\t[ls, 5]',
      '                \t     ^',
    ]);
    expect(loaded.ok ? '' : formatProblems(loaded.problems, { colour: true })).to.contain('\u001b[31m^\u001b[0m');
  }));

  it('show a long line around the spot, and no control characters', () => inFolder(async ({ write }) => {
    const loaded = await loadConfig(await write('distillery.yaml', `node: "${' '.repeat(500)}"; x\u001b[31m`));
    const lines = loaded.ok ? [] : formatProblems(loaded.problems).split('\n');
    expect(lines.every((line) => line.length < 400 && !line.includes('\u001b'))).to.equal(true);
  }));

  it('stay one line each, and no terminal obeys the names in them', () => {
    const problem = { file: 'a\u001b.yaml', line: 1, column: 1, path: 'new\nline\u001b[2J', message: 'bad \u009b31m', source: 'x' };
    expect(formatProblems([problem])).to.equal('a\u{fffd}.yaml:1:1: new\u{fffd}line\u{fffd}[2J: bad \u{fffd}31m\n    x\n    ^');
    expect(formatProblems([problem], { colour: true })).to.match(/^\u001b\[1m.*: bad/);
  });

  it('tell of a file that cannot be read', () => inFolder(async ({ path, file }) => {
    const missing = await loadConfig(file);
    expect(missing.ok ? '' : formatProblems(missing.problems)).to.equal(`${file}: there is no such file; write one, or name another with --config (looked for distillery.yaml)`);
    await mkdir(join(path, 'folder'));
    const folder = await loadConfig(join(path, 'folder'));
    expect(folder.ok ? '' : formatProblems(folder.problems)).to.match(/: is a folder, not a file$/);
  }));

  it('tell of a file that is too large, without reading on', () => inFolder(async ({ problems }) => {
    expect(await problems('#'.repeat(configBytesMax + 1))).to.deep.equal(['distillery.yaml: is larger than 1m; is this the right file?']);
    expect(await problems('#'.repeat(configBytesMax))).to.deep.equal([]);
  }));

  it('tell of bytes that are not UTF-8, with their line', () => inFolder(async ({ problems }) => {
    expect(await problems(Buffer.from('http: {}\n# caf\xe9\n', 'latin1'))).to.deep.equal(['distillery.yaml:2:1: is not UTF-8; save it in this encoding']);
  }));

  it('tell of aliases that would fill the memory', () => inFolder(async ({ problems }) => {
    const level = (name: string, of: string) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${of}`).join(', ')}]`;
    const found = await problems(['a: &a [x]', level('b', 'a'), level('c', 'b'), level('d', 'c'), level('e', 'd')].join('\n'));
    expect(found).to.have.length(1);
    expect(found[0]).to.contain('aliases repeat more than 100 values');
  }));

  for (const [title, text] of [['lists', '['.repeat(500_000)], ['items', '- '.repeat(500_000)], ['keys', '? '.repeat(500_000)], ['mappings', '{a: '.repeat(250_000)],
    ['indented keys', Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')]] as const) {
    it(`tell of ${title} nested so deep that reading them would end the process`, () => inFolder(async ({ problems }) => {
      const found = await problems(text);
      expect(found).to.have.length(1);
      expect(found[0]).to.match(/^distillery\.yaml:\d+:\d+: lists and mappings are nested more than 50 deep$/);
    }));
  }

  it('is none for thirty levels', () => inFolder(async ({ problems }) => {
    const deep = `${'{ not: '.repeat(30)}{}${' }'.repeat(30)}`;
    expect(await problems(`calls: { a: { process: [x], params: [{ name: p, schema: ${deep} }] } }`)).to.deep.equal([]);
  }));
});
