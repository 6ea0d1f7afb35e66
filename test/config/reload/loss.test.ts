// Tests what counts as removed or unfinished when a configuration file changes.

import { expect } from 'chai';
import { findLoss } from '../../../server/config/reload/loss.ts';

const text = `http: { api: true, domains: [a.example.org, b.example.org] }
home:
  list: { public: false }
retention:
  age: 30d
  runs: 5000
calls:
  greet:
    process: [echo, hello]
    scope: admin
  last:
    process: [ls]
`;

const loss = (after: string, before = text) =>
  findLoss({ text: before, config: { calls: [] } }, { text: after, config: { calls: [] } });

describe('the loss of a changed configuration file', () => {
  for (const [title, after, removed] of [
    ['is empty', '', ['http', 'home', 'retention', 'calls']],
    ['has only comments', '# gone\n', ['http', 'home', 'retention', 'calls']],
    ['lost a section', text.replace(/retention:\n.*\n.*\n/, ''), ['retention']],
    ['lost the content of a section', text.replace(/retention:\n.*\n.*\n/, 'retention:\n'), ['retention']],
    ['lost one key', text.replace(/ {2}runs:.*\n/, ''), ['retention.runs']],
    ['lost a key that protects a call', text.replace(/ {4}scope:.*\n/, ''), ['calls.greet.scope']],
    ['lost a call', text.slice(0, text.indexOf('  last')), ['calls.last']],
    ['lost an item of a list', text.replace(', b.example.org', ''), ['http.domains[1]']],
    ['lost a value', text.replace('public: false', 'public:'), ['home.list.public']],
  ] as const) {
    it(`C1: findLoss returns what was removed from a file that ${title}`, () =>
      expect(loss(after)).to.deep.equal({ removed }));
  }

  for (const [title, after] of [
    ['is the same', text],
    ['changes values and adds keys', text.replace('30d', '10d').replace('api: true', 'api: false, keepAlive: 1m')],
    ['adds a call before its end', text.replace('  last:', '  more: { process: [ls] }\n  last:')],
    ['adds a call in brackets at its end', `${text}  more: { process: [ls] }\n`],
    ['changes its last value in a whole line', `${text.replace(/ {4}process: \[ls\]\n$/, '    process: [df]\n')}`],
    ['changes its last value in brackets, without a line end', text.replace(/\[ls\]\n$/, '[df]')],
  ] as const) {
    it(`C1: a file that ${title} loses nothing`, () => expect(loss(after)).to.deep.equal({ removed: [] }));
  }

  for (const [title, after, unfinished] of [
    ['ends with a new call in lines of its own', `${text}  more:\n    process: [ls]\n`, 'calls.more'],
    ['ends within its last value', `${text}node: le`, 'node'],
    ['ends with a new section', `${text}shutdown:\n  grace: 1m\n`, 'shutdown'],
  ] as const) {
    it(`C1: a file that ${title} may be unfinished`, () =>
      expect(loss(after)).to.deep.equal({ removed: [], unfinished }));
  }

  it('C1: a file that ends in the middle of a number may be unfinished', () =>
    expect(loss('retention:\n  age: 3', 'retention:\n  age: 30d\n')).to.deep.equal({
      removed: [],
      unfinished: 'retention.age',
    }));

  it('C1: a file that ends after the first line of a value without quotes may be unfinished', () => {
    const before = 'system:\n  tagline: one\n    two\n';
    expect(loss('system:\n  tagline: one\n', before)).to.deep.equal({ removed: [], unfinished: 'system.tagline' });
    expect(loss('system:\n  tagline: "one"\n', before)).to.deep.equal({ removed: [] });
    expect(loss('system:\n  tagline: other\n', before)).to.deep.equal({ removed: [] });
    expect(loss('system:\n  tagline: one\n    two more\n', before)).to.deep.equal({ removed: [] });
  });

  it('C1: an unchanged file loses nothing, however it ends', () => {
    for (const before of ['node: left', 'retention:\n  age: 30d', 'modules:\n  - a.ts\n', ''])
      expect(loss(before, before)).to.deep.equal({ removed: [] });
  });
});
