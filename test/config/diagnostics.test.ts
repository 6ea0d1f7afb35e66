// Tests every diagnostic of a configuration file: its text and its position.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { formatDiagnostics } from '../../calls/text/format-diagnostics.ts';
import { loadConfig } from '../../server/config/load/load.ts';
import { configBytesMax } from '../../server/config/load/read-file.ts';
import { inFolder } from '../helpers/config/config-folder.ts';

/** Title, content of the file, and all its diagnostics. */
const mistakes: readonly (readonly [string, string, readonly string[]])[] = [
  ['an unknown key at the top', 'htpp: {}', ['1:1: unknown key "htpp"; did you mean "http"?']],
  [
    'an unknown key that resembles no known one',
    'http: { q: 1 }',
    ['1:9: http: unknown key "q"; the keys here are api, listen, domain, domains, panel, origins, keepAlive'],
  ],
  ...['https://x.example', 'https://${rest}/', 'https://x.example${rest}', 'ftp://x.example/${uri}', '/${uri}'].map(
    (target) =>
      [
        `an address of resolve that is ${target}`,
        `resolve: { "urn:x:": "${target}" }`,
        [
          `1:22: resolve["urn:x:"]: "${target}" is not an HTTP address with \${uri} or \${rest} after the host; ` +
            'write one such as https://example.org/get?uri=${uri}',
        ],
      ] as const,
  ),
  [
    'an empty prefix of resolve',
    'resolve: { "": "https://x.example/${rest}" }',
    ['1:12: resolve: "" is empty; write the beginning of the URIs'],
  ],
  ['a key of a later version', 'auth: {}', ['1:1: the key "auth" is not available in this version; remove it']],
  [
    'a compat API of a later version',
    'compat: { pulsar: {} }',
    ['1:11: compat: the key "pulsar" is not available in this version; remove it'],
  ],
  ['a misspelt kind', 'calls:\n  a: { proces: [x] }', ['2:8: calls.a: unknown key "proces"; did you mean "process"?']],
  [
    'a call without a kind',
    'calls:\n  a: { summary: x }',
    ['2:3: calls.a: the call has no kind: add one of the keys process, terminal, container, pipeline'],
  ],
  ['an empty call', 'calls:\n  a:\n', ['2:3: calls.a: must be a mapping (key: value), not nothing']],
  [
    'a terminal that exchanges bytes',
    'calls: { a: { terminal: [x], input: bytes, output: bytes } }',
    [
      '1:37: calls.a.input: "bytes" is not for calls of kind terminal: a terminal exchanges characters',
      '1:52: calls.a.output: "bytes" is not for calls of kind terminal: a terminal exchanges characters',
    ],
  ],
  [
    'a pipeline that exchanges bytes, and forms that do not exist',
    'calls:\n  a: { pipeline: p.yaml, output: { as: bytes } }\n  b: { process: [x], input: text, output: lots }',
    [
      '2:18: calls.a.pipeline: cannot read the pipeline "p.yaml": the file does not exist',
      '2:40: calls.a.output.as: "bytes" is not for calls of kind pipeline: its jobs share a log of lines',
      '3:29: calls.b.input: must be one of "lines", "bytes", not "text"',
      '3:43: calls.b.output: "lots" is not a size; write one such as 64k, 256m or 2g',
    ],
  ],
  [
    'a call with two kinds',
    'calls: { a: { process: [x], terminal: [y] } }',
    ['1:29: calls.a.terminal: a call has one kind, but this one has process and terminal; keep one of them'],
  ],
  [
    'a key of another kind',
    'calls: { a: { process: [x], cols: 3 } }',
    ['1:29: calls.a.cols: "cols" is for calls of kind terminal; this one is process'],
  ],
  [
    'a key beside container that belongs in it',
    'calls: { a: { container: { image: x }, env: { A: b } } }',
    ['1:40: calls.a.env: "env" is for calls of kind process and terminal; this one is container'],
  ],
  [
    'an invalid call name',
    'calls: { "a b": { process: [x] } }',
    [
      '1:10: calls: "a b" is not a valid call name: use letters, digits, ".", "_" and "-", and ' +
        'start with a letter or digit',
    ],
  ],
  [
    'a call named __proto__',
    'calls: { __proto__: { process: [x] } }',
    [
      '1:10: calls: "__proto__" is not a valid call name: use letters, digits, ".", "_" and "-", ' +
        'and start with a letter or digit',
    ],
  ],
  [
    'a shell line as process',
    'calls: { a: { process: ls -l } }',
    ['1:24: calls.a.process: must be a list, not "ls -l"'],
  ],
  [
    'an empty program',
    'calls: { a: { process: [] } }',
    ['1:24: calls.a.process: [] must be a list: the program, followed by its arguments'],
  ],
  [
    'a number as argument',
    'calls: { a: { process: [sleep, 10] } }',
    ['1:32: calls.a.process[1]: must be a string, not 10; put it in quotes: "10"'],
  ],
  [
    'a umask that YAML would read as decimal',
    'calls: { a: { process: [x], umask: 027 } }',
    ['1:36: calls.a.umask: must be a string, not 27; put it in quotes: "27"'],
  ],
  [
    'a umask that is not octal',
    'calls: { a: { process: [x], umask: "089" } }',
    ['1:36: calls.a.umask: "089" must be octal digits in quotes, such as "027"'],
  ],
  [
    'a container without an image',
    'calls: { a: { container: { pids: 3 } } }',
    ['1:15: calls.a.container: the key "image" is missing'],
  ],
  [
    'an invalid duration',
    'limits: { graceMs: soon }',
    ['1:20: limits.graceMs: "soon" is not a duration; write one such as 500ms, 10s, 5m or 2h'],
  ],
  [
    'an invalid size',
    'limits: { messageBytesMax: lots }',
    ['1:28: limits.messageBytesMax: "lots" is not a size; write one such as 64k, 256m or 2g'],
  ],
  [
    'limits below their minimum',
    'limits: { messageBytesMax: 3, firstCallMs: 1ms, sessionsMax: 0 }',
    [
      '1:28: limits.messageBytesMax: must be at least 64, not 3',
      '1:44: limits.firstCallMs: must be at least 10ms, not 1ms',
      '1:62: limits.sessionsMax: must be >= 1, not 0',
    ],
  ],
  [
    'an unknown limit',
    'limits: { sessionMax: 3 }',
    ['1:11: limits: unknown key "sessionMax"; did you mean "sessionsMax"?'],
  ],
  [
    'a ping interval longer than the client timeout',
    'limits: { pingMs: 2m }',
    ['1:19: limits.pingMs: clientTimeoutMs (1m) must be longer than pingMs (2m), or every quiet connection times out'],
  ],
  [
    'a public listen address',
    'http: { listen: "0.0.0.0:80" }',
    [
      '1:17: http.listen: "0.0.0.0:80" is not a loopback address; authentication is not available ' +
        'yet, so use 127.0.0.0/8, [::1] or localhost',
    ],
  ],
  [
    'a port without a host',
    'http: { listen: 8080 }',
    ['1:17: http.listen: must be a string, not 8080; put it in quotes: "8080"'],
  ],
  [
    'an address instead of a host name',
    'http: { domain: "http://x" }',
    ['1:17: http.domain: "http://x" must be a host name, with or without a port, without scheme or path'],
  ],
  [
    'invalid origins',
    'http: { origins: ["*", "https://x.org/", "null"] }',
    ['"*"', '"https://x.org/"', '"null"'].map(
      (origin, at) =>
        `1:${[19, 24, 42][at]}: http.origins[${at}]: ${origin} is not an origin; write scheme://host ` +
        'or scheme://host:port, such as https://example.org',
    ),
  ],
  [
    'two systems with the same slug',
    'systems:\n- { slug: a, url: "https://a" }\n- { slug: A, url: "https://b" }',
    ['3:11: systems[1].slug: the slug "a" is already used by system number 1; choose another slug'],
  ],
  [
    'a system without slug and address',
    'systems:\n- { tagline: x }',
    ['2:3: systems[0]: the key "slug" is missing', '2:3: systems[0]: the key "url" is missing'],
  ],
  [
    'a system with an invalid address and time',
    'systems: [{ slug: a, url: "ftp://x", lastEdit: 2026-02-30 }]',
    [
      '1:27: systems[0].url: "ftp://x" is not an HTTP address; write one such as https://example.org/',
      '1:48: systems[0].lastEdit: "2026-02-30" is not a time; write one such as 2026-11-22T10:30:00Z',
    ],
  ],
  [
    'a news folder that does not exist',
    'news: items',
    ['1:7: news: the folder "items" does not exist; create it, or write its path relative to the configuration file'],
  ],
  [
    'an invalid disconnect policy',
    'calls: { a: { process: [x], onDisconnect: stay } }',
    [
      '1:43: calls.a.onDisconnect: "stay" is not a disconnect policy; write cancel, detach, or a ' +
        'grace such as grace:30s',
    ],
  ],
  [
    'several invalid disconnect policies',
    'calls: { a: { process: [x], onDisconnect: { default: gone, allow: [detach, "grace:soon", 5], alow: [] } } }',
    [
      '1:54: calls.a.onDisconnect.default: "gone" is not a disconnect policy; write cancel, detach, ' +
        'or a grace such as grace:30s',
      '1:76: calls.a.onDisconnect.allow[1]: "soon" is not a duration; write one such as 500ms, 10s, 5m or 2h',
      '1:90: calls.a.onDisconnect.allow[2]: must be a string, not 5; put it in quotes: "5"',
      '1:94: calls.a.onDisconnect: unknown key "alow"; did you mean "allow"?',
    ],
  ],
  [
    'a disconnect policy of the wrong shape',
    'calls: { a: { process: [x], onDisconnect: [detach] } }',
    ['1:43: calls.a.onDisconnect: must be a string or a mapping, not a list'],
  ],
  [
    'an invalid concurrency',
    'calls: { a: { process: [x], concurrency: { limit: 0, queue: -1 } } }',
    ['1:51: calls.a.concurrency.limit: must be >= 1, not 0', '1:61: calls.a.concurrency.queue: must be >= 0, not -1'],
  ],
  [
    'a concurrency without a limit',
    'calls: { a: { process: [x], concurrency: { queue: 3 } } }',
    ['1:29: calls.a.concurrency: the key "limit" is missing'],
  ],
  [
    'a concurrency by a misspelt param',
    'calls: { a: { params: [{ name: who }], process: [x], concurrency: { limit: 1, by: wo } } }',
    ['1:83: calls.a.concurrency.by: "wo" is not a parameter of this call; did you mean "who"?'],
  ],
  [
    'a concurrency by a param of a call without params',
    'calls: { a: { process: [x], concurrency: { limit: 1, by: who } } }',
    ['1:58: calls.a.concurrency.by: "who" is not a parameter of this call; the call has no parameters'],
  ],
  [
    'an invalid retention',
    'retention: { age: old, runs: -1, bytes: lots, years: 3 }\ncalls: { a: { process: [x], retention: { age: 1w } } }',
    [
      '1:19: retention.age: "old" is not an age; write one such as 12h or 30d',
      '1:30: retention.runs: must be >= 0, not -1',
      '1:41: retention.bytes: "lots" is not a size; write one such as 64k, 256m or 2g',
      '1:47: retention: unknown key "years"; the keys here are age, runs, bytes',
      '2:47: calls.a.retention.age: "1w" is not an age; write one such as 12h or 30d',
    ],
  ],
  [
    'invalid stall and output limits',
    'calls: { a: { process: [x], stallAfter: 100d, output: all } }',
    [
      '1:41: calls.a.stallAfter: "100d" is longer than the longest duration, 596h',
      '1:55: calls.a.output: "all" is not a size; write one such as 64k, 256m or 2g',
    ],
  ],
  [
    'pipeline permissions of the wrong shape',
    'pipelines: { run: maybe, mounts: /srv, engines: [build], workspace: [] }',
    [
      '1:19: pipelines.run: must be true or false, not "maybe"',
      '1:34: pipelines.mounts: must be a list, not "/srv"',
      '1:50: pipelines.engines[0]: "build" must be an address, such as unix:///run/docker.sock or tcp://127.0.0.1:2375',
      '1:58: pipelines: unknown key "workspace"; did you mean "workspaces"?',
    ],
  ],
  [
    'secrets without a source, with two sources, or with an invalid name',
    'secrets: { A: {}, B: { file: b, variable: B }, "C D": { file: c }, E: hidden }',
    [
      '1:12: secrets.A: missing source; set either "file" or "variable"',
      '1:33: secrets.B.variable: a secret has one source, not both "file" and "variable"; keep one of them',
      '1:48: secrets: "C D" is not a valid secret name: use letters, digits, "_", "." and "-", and ' +
        'start with a letter or "_"',
      '1:71: secrets.E: must be a mapping (key: value), not "hidden"',
    ],
  ],
  [
    'a pin API that any address can reach',
    'compat: { pin: { listen: "0.0.0.0:8081" } }',
    [
      '1:26: compat.pin.listen: "0.0.0.0:8081" is not a loopback address, and anyone who reaches it ' +
        'could run any pipeline; set a token, or set allowUnauthenticated: true if you want that',
    ],
  ],
  [
    'a pin API with two addresses, one of them a path that the gateway serves',
    'compat: { pin: { listen: "127.0.0.1:0", prefix: /api/pin, maxConcurrent: 0, token: {}, allowOrigins: [x] } }',
    [
      '1:41: compat.pin.prefix: the pin API has either an address (listen) or a path of the gateway ' +
        '(prefix), not both; remove one of them',
      '1:49: compat.pin.prefix: "/api/pin" is inside /api, which the gateway serves; choose another path, such as /pin',
      '1:74: compat.pin.maxConcurrent: must be >= 1, not 0',
      '1:77: compat.pin.token: missing source; set either "file" or "variable"',
      '1:103: compat.pin.allowOrigins[0]: "x" is not an origin; write scheme://host or ' +
        'scheme://host:port, such as https://example.org',
    ],
  ],
  [
    "a call with the name of the pin API's own call",
    'compat: { pin: {} }\ncalls: { pin: { process: [x] } }',
    ['2:10: calls.pin: "pin" is the name of the pin API\'s own call; choose another name'],
  ],
  [
    'pipeline calls without a file',
    'calls: { a: { pipeline: { workspace: x } }, b: { pipeline: [x] }, c: { pipeline: "" } }',
    [
      '1:15: calls.a.pipeline: the key "file" is missing',
      '1:60: calls.b.pipeline: must be a string or a mapping, not a list',
      '1:82: calls.c.pipeline: "" must be a path',
    ],
  ],
  [
    'a pipeline file that does not exist',
    'calls: { a: { pipeline: no.yaml }, b: { pipeline: { file: no.yaml } } }',
    [
      '1:25: calls.a.pipeline: cannot read the pipeline "no.yaml": the file does not exist',
      '1:59: calls.b.pipeline.file: cannot read the pipeline "no.yaml": the file does not exist',
    ],
  ],
  [
    'placeholders in the file and the workspace of a pipeline',
    'calls: { a: { params: [{ name: p }], pipeline: { file: "${p}", workspace: "${p}", variables: ' +
      '{ "A-B": "${q}" } } } }',
    [
      '1:57: calls.a.pipeline.file: ${p} cannot be used here: a parameter could name any file of this machine',
      '1:76: calls.a.pipeline.workspace: ${p} cannot be used here: a parameter could name any folder of this machine',
      '1:96: calls.a.pipeline.variables: "A-B" is not a valid variable name: use letters, digits ' +
        'and "_", and do not start with a digit',
      '1:104: calls.a.pipeline.variables.A-B: ${q} is not a parameter of this call; declare it ' +
        'under params, or write $${q} to pass ${q} to the program',
    ],
  ],
  [
    'an invalid shutdown grace',
    'shutdown: { grace: ever }',
    ['1:20: shutdown.grace: "ever" is not a duration; write one such as 500ms, 10s, 5m or 2h'],
  ],
  [
    'a placeholder with a misspelt param',
    'calls: { a: { params: [{ name: who }], process: [x, "a ${wo}"] } }',
    ['1:56: calls.a.process[1]: ${wo} is not a parameter of this call; did you mean "who"?'],
  ],
  [
    'a placeholder that names no param',
    'calls:\n  a:\n    process: [bash, -c, "echo ${HOME}"]',
    [
      '3:31: calls.a.process[2]: ${HOME} is not a parameter of this call; declare it under params, ' +
        'or write $${HOME} to pass ${HOME} to the program',
    ],
  ],
  [
    'a placeholder in a script',
    'calls:\n  a:\n    process:\n      - bash\n      - -c\n      - |\n        set -e\n        echo ${x:-y}\n',
    ['8:14: calls.a.process[2]: ${x:-y} is not a parameter name; write $${x:-y} to pass ${x:-y} to the program'],
  ],
  [
    'a placeholder as program',
    'calls: { a: { params: [{ name: p }], process: ["${p}"] } }',
    [
      '1:49: calls.a.process[0]: ${p} cannot be used here: a parameter could name any program; ' +
        'write the program itself and use parameters only as arguments',
    ],
  ],
  [
    'a placeholder in cwd',
    'calls: { a: { params: [{ name: p }], process: [x], cwd: "/srv/${p}" } }',
    ['1:63: calls.a.cwd: ${p} cannot be used here: a parameter could name any folder of this machine'],
  ],
  [
    'a placeholder in volumes',
    'calls: { a: { params: [{ name: p }], container: { image: x, volumes: ["/srv/${p}:/x", "${p}:/y"] } } }',
    [
      '1:77: calls.a.container.volumes[0]: ${p} cannot be used here: a parameter could mount any ' +
        'folder of this machine',
      '1:88: calls.a.container.volumes[1]: ${p} cannot be used here: a parameter could mount any ' +
        'folder of this machine',
    ],
  ],
  [
    'a volume without a target',
    'calls: { a: { container: { image: x, volumes: [/srv] } } }',
    [
      '1:48: calls.a.container.volumes[0]: "/srv" must be "folder-or-volume:/path" or ' +
        '"folder-or-volume:/path:ro"; write a folder as "/…" or "./…"',
    ],
  ],
  [
    'a word outside an enum',
    'calls: { a: { process: [x], stop: { signal: SIGTEM } } }',
    [
      '1:45: calls.a.stop.signal: must be one of "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", ' +
        '"SIGUSR1", "SIGUSR2", "SIGKILL", not "SIGTEM"; did you mean "SIGTERM"?',
    ],
  ],
  [
    'an optional param before a required one',
    'calls: { a: { process: [x], params: [{ name: p, default: x }, { name: q }] } }',
    [
      '1:58: calls.a.params[0].default: "p" has a default but comes before "q", which has none; ' +
        'move it to the end or give both a default',
    ],
  ],
  [
    'two params with the same name',
    'calls: { a: { process: [x], params: [{ name: p }, { name: p }] } }',
    ['1:59: calls.a.params[1].name: two parameters are named "p"; the first is number 1'],
  ],
  [
    'a default that its schema rejects',
    'calls: { a: { process: [x], params: [{ name: p, schema: { pattern: "^a" }, default: b }] } }',
    ['1:85: calls.a.params[0].default: "b" does not fit the schema: must match pattern "^a"'],
  ],
  [
    'invalid param schemas',
    'calls: { a: { process: [x], params: [{ name: p, schema: { patern: x } }, { name: q, schema: ' +
      '{ type: array } }] } }',
    [
      '1:57: calls.a.params[0].schema: invalid JSON Schema: unknown keyword: "patern"',
      '1:93: calls.a.params[1].schema: type "array" is not a parameter type; write one of string, ' +
        'integer, number, boolean',
    ],
  ],
  [
    'a schema that would always pass',
    'calls: { a: { process: [x], params: [{ name: p, schema: { $async: true } }] } }',
    ['1:57: calls.a.params[0].schema: "$async" is not supported; remove it'],
  ],
  [
    'a schema with a broken pattern',
    'calls: { a: { process: [x], params: [{ name: p, schema: { pattern: "[" } }] } }',
    [
      '1:57: calls.a.params[0].schema: invalid JSON Schema: pattern "[" cannot be used: ' +
        'Invalid regular expression: /[/u: Unterminated character class',
    ],
  ],
  [
    'L9: an empty program, image and user',
    'calls:\n  a: { process: [""] }\n  b: { terminal: [" ", x] }\n' +
      '  c: { container: { image: "", user: "", command: [""], entrypoint: [""] } }\n',
    [
      '2:18: calls.a.process[0]: the program is empty; write its name or its path',
      '3:19: calls.b.terminal[0]: the program is empty; write its name or its path',
      '4:28: calls.c.container.image: "" must be the name of an image, such as "busybox:latest"',
      '4:38: calls.c.container.user: "" must be a user, such as "1000:1000" or "node"',
      '4:52: calls.c.container.command[0]: the program is empty; write its name or its path',
    ],
  ],
  [
    'a duplicate key',
    'http:\n  api: true\n  api: false\n',
    ['3:3: http: the key "api" is defined twice, first in line 2'],
  ],
  [
    'an error inside an alias',
    'calls:\n  a: &a { process: 5 }\n  b: *a\n',
    ['2:20: calls.a.process: must be a list, not 5', '2:20: calls.b.process: must be a list, not 5'],
  ],
  ['a list as file', '- http', ['1:1: must be a mapping (key: value), not a list']],
  ['a string as file', 'http', ['1:1: must be a mapping (key: value), not "http"']],
  [
    'broken YAML',
    'http: { api: true',
    ['1:18: not valid YAML: flow map in block collection must be sufficiently indented and end with a }'],
  ],
  ['tabs', 'http:\n\tapi: true', ['2:1: not valid YAML: tabs cannot indent YAML; use spaces']],
  [
    'two documents',
    'http: {}\n---\nhttp: {}',
    ['2:1: not valid YAML: only one document is allowed; remove the line "---" and one of the two documents'],
  ],
  ['a tag', 'data: !secret x', ['1:7: not valid YAML: unresolved tag: !secret']],
  ['a list as key', '? [a]\n: b', ['1:3: not valid YAML: a key must be a plain word or a quoted string']],
  ['an alias without an anchor', 'data: *x', ['1:7: the alias "*x" has no anchor "&x" before it']],
  [
    'a merge key without a mapping',
    'calls:\n  a: { <<: x, process: [ls] }\n',
    ['2:12: a merge key (<<) takes a mapping or a list of mappings, such as <<: *base or <<: [*base, *more]'],
  ],
  [
    'an error in a merged value where it is written',
    'x-base: &base { process: 5 }\ncalls:\n  a: { <<: *base }\n',
    ['1:26: calls.a.process: must be a list, not 5'],
  ],
  [
    'an alias to itself',
    'calls: { a: { process: [x], params: [{ name: p, schema: &s { not: *s } }] } }',
    ['1:67: the alias "*s" is inside the value it repeats'],
  ],
];

describe('diagnostics of a configuration', () => {
  for (const [title, text, expected] of mistakes) {
    it(`the loader reports ${title}`, () =>
      inFolder(async ({ diagnostics }) => {
        expect(await diagnostics(text)).to.deep.equal(expected.map((line) => `distillery.yaml:${line}`));
      }));
  }

  it('diagnostics of a file are all reported at once, by position', () =>
    inFolder(async ({ diagnostics }) => {
      const found = await diagnostics(
        'systems: [{ slug: a, url: x }]\nhttp:\n  api: 1\n  api: 2\ncalls:\n  a: { tmeout: 5m, ' +
          'process: [x, "${p}"] }\nmodules: [./no.ts]\nhtpp: x\n',
      );
      expect(found.map((line) => line.split(' ')[0])).to.deep.equal(
        [1, 3, 4, 6, 6, 7, 8].map((line, at) => `distillery.yaml:${line}:${[27, 8, 3, 8, 34, 11, 1][at]}:`),
      );
    }));

  it('diagnostics are printed with their line, carets and hints', () =>
    inFolder(async ({ write }) => {
      const file = await write('distillery.yaml', 'calls:\n  greet:\n    tmeout: 5m\n    process:\t[ls, 5]\n');
      const loaded = await loadConfig(file);
      const printed = loaded.ok ? '' : formatDiagnostics(loaded.diagnostics).replaceAll(file, 'distillery.yaml');
      expect(printed.split('\n')).to.deep.equal([
        'distillery.yaml:3:5: error: calls.greet: unknown key "tmeout"',
        '        tmeout: 5m',
        '        ^^^^^^',
        '    hint: did you mean "timeout"?',
        'distillery.yaml:4:19: error: calls.greet.process[1]: must be a string, not 5',
        '        process:\t[ls, 5]',
        '                \t     ^',
        '    hint: put it in quotes: "5"',
      ]);
      expect(loaded.ok ? '' : formatDiagnostics(loaded.diagnostics, { colour: true })).to.contain(
        '\u001b[31m^\u001b[0m',
      );
    }));

  it('diagnostics show only the neighbourhood of their position in a long line, without control characters', () =>
    inFolder(async ({ write }) => {
      const loaded = await loadConfig(await write('distillery.yaml', `node: "${' '.repeat(500)}"; x\u001b[31m`));
      const lines = loaded.ok ? [] : formatDiagnostics(loaded.diagnostics).split('\n');
      expect(lines.every((line) => line.length < 400 && !line.includes('\u001b'))).to.equal(true);
    }));

  it('diagnostics stay on one line each, and control characters in names are replaced', () => {
    const problem = {
      severity: 'error' as const,
      file: 'a\u001b.yaml',
      line: 1,
      length: 1,
      suggestions: [],
      column: 1,
      path: 'new\nline\u001b[2J',
      message: 'bad \u009b31m',
      source: 'x',
    };
    expect(formatDiagnostics([problem])).to.equal(
      'a\u{fffd}.yaml:1:1: error: new\u{fffd}line\u{fffd}[2J: bad \u{fffd}31m\n    x\n    ^',
    );
    expect(formatDiagnostics([problem], { colour: true })).to.match(/^\u001b\[1m.*: bad/);
  });

  it('the loader reports a file that cannot be read', () =>
    inFolder(async ({ path, file }) => {
      const missing = await loadConfig(file);
      expect(missing.ok ? '' : formatDiagnostics(missing.diagnostics)).to.equal(
        `${file}: error: there is no such file; create it, or name another one\n` +
          '    hint: "distillery init --config" writes a configuration to start with',
      );
      await mkdir(join(path, 'folder'));
      const folder = await loadConfig(join(path, 'folder'));
      expect(folder.ok ? '' : formatDiagnostics(folder.diagnostics)).to.match(/: error: this is a folder, not a file$/);
    }));

  it('the loader reports a file that is too large, without reading all of it', () =>
    inFolder(async ({ diagnostics }) => {
      expect(await diagnostics('#'.repeat(configBytesMax + 1))).to.deep.equal([
        'distillery.yaml: the file is larger than 1m; check that it is the right one',
      ]);
      expect(await diagnostics('#'.repeat(configBytesMax))).to.deep.equal([]);
    }));

  it('the loader reports bytes that are not UTF-8, with their line', () =>
    inFolder(async ({ diagnostics }) => {
      expect(await diagnostics(Buffer.from('http: {}\n# caf\xe9\n', 'latin1'))).to.deep.equal([
        'distillery.yaml:2:1: the file is not UTF-8; save it in this encoding',
      ]);
    }));

  it('L4: the loader reports UTF-16 and NUL characters, and accepts a byte order mark', () =>
    inFolder(async ({ diagnostics }) => {
      for (const bytes of [Buffer.from('\ufeffhttp: {}\n', 'utf16le'), Buffer.from('http: {}\n', 'utf16le').swap16()])
        expect(await diagnostics(bytes)).to.deep.equal(['distillery.yaml:1:1: the file is UTF-16; save it as UTF-8']);
      expect(await diagnostics('http: {}\n# \0\n')).to.deep.equal([
        'distillery.yaml:2:3: the text has a NUL character; remove it',
      ]);
    }));

  it('the loader reports aliases that would exhaust the memory', () =>
    inFolder(async ({ diagnostics }) => {
      const level = (name: string, of: string) =>
        `${name}: &${name} [${Array.from({ length: 10 }, () => `*${of}`).join(', ')}]`;
      const found = await diagnostics(
        ['a: &a [x]', level('b', 'a'), level('c', 'b'), level('d', 'c'), level('e', 'd'), level('f', 'e')].join('\n'),
      );
      expect(found).to.have.length(1);
      expect(found[0]).to.contain('aliases repeat more than 10000 values');
    }));

  for (const [title, text] of [
    ['lists', '['.repeat(500_000)],
    ['items', '- '.repeat(500_000)],
    ['keys', '? '.repeat(500_000)],
    ['mappings', '{a: '.repeat(250_000)],
    ['indented keys', Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
  ] as const) {
    it(`the loader reports ${title} nested so deep that reading them would overflow the stack`, () =>
      inFolder(async ({ diagnostics }) => {
        const found = await diagnostics(text);
        expect(found).to.have.length(1);
        expect(found[0]).to.match(/^distillery\.yaml:\d+:\d+: lists and mappings are nested more than 50 levels deep$/);
      }));
  }

  it('the loader accepts values nested thirty levels deep', () =>
    inFolder(async ({ diagnostics }) => {
      const deep = `${'{ not: '.repeat(30)}{}${' }'.repeat(30)}`;
      expect(await diagnostics(`calls: { a: { process: [x], params: [{ name: p, schema: ${deep} }] } }`)).to.deep.equal(
        [],
      );
    }));
});
