import { expect } from 'chai';
import type { Output, OutputStream } from '../../../calls/contract/ports.ts';
import { createMask } from '../../../server/pipeline/run/mask.ts';
import { wholeFrom } from '../../helpers/random.ts';

/** An output that keeps what it was given, by part and stream. */
function keeping(kept = new Map<string, string>(), part = ''): Output & { readonly kept: Map<string, string> } {
  return {
    kept, full: false,
    drained: () => Promise.resolve(),
    write: (stream, chunk) => { kept.set(`${part}${stream}`, (kept.get(`${part}${stream}`) ?? '') + Buffer.from(chunk).toString('latin1')); },
    end: (stream) => { kept.set(`${part}${stream}`, `${kept.get(`${part}${stream}`) ?? ''}|end`); },
    part: (name) => keeping(kept, `${part}${name}/`),
  };
}

/** What is told of `chunks`, written and ended; the array is overwritten after each, as its owner may. */
function told(values: readonly string[], chunks: readonly Uint8Array[], stream: OutputStream = 'stdout'): string {
  const under = keeping();
  const output = createMask(values).output(under);
  for (const chunk of chunks) {
    const borrowed = Buffer.from(chunk);
    output.write(stream, borrowed);
    borrowed.fill(0x23);
  }
  output.end(stream);
  return (under.kept.get(stream) ?? '').replace(/\|end$/, '');
}

/** As it should be, found in the slowest way: every place where a secret stands, those that overlap as one. */
function expected(secrets: readonly string[], text: string): string {
  const within = new Array<number>(text.length).fill(-1);
  const spans = secrets.flatMap((secret) => [...text].flatMap((_char, at) => (text.startsWith(secret, at) ? [[at, at + secret.length] as const] : []))).sort((a, b) => a[0] - b[0]);
  let span = -1;
  let end = -1;
  for (const [from, to] of spans) {
    if (from >= end) span++;
    end = Math.max(end, to);
    for (let at = from; at < to; at++) if (within[at] === -1) within[at] = span;
  }
  return [...text].map((char, at) => (within[at] === -1 ? char : within[at] === within[at - 1] ? '' : '***')).join('');
}

describe('the mask', () => {
  it('puts stars where a secret stands', () => {
    const mask = createMask(['hunter2', 'swordfish']);
    expect(mask.text('user hunter2, password swordfish, hunter3')).to.equal('user ***, password ***, hunter3');
    expect(mask.text('')).to.equal('');
    expect(told(['hunter2'], [Buffer.from('a hunter2 b\nhunter2\n')])).to.equal('a *** b\n***\n');
  });

  it('sees a secret whichever way it is cut', () => {
    const text = Buffer.from('x hunter2 y');
    for (let at = 0; at <= text.length; at++) expect(told(['hunter2'], [text.subarray(0, at), text.subarray(at)])).to.equal('x *** y');
    expect(told(['hunter2'], [...text].map((byte) => Uint8Array.of(byte)))).to.equal('x *** y');
  });

  it('takes the longest of several, and those that overlap together', () => {
    expect(createMask(['pass', 'password', 'word']).text('password pass word')).to.equal('*** *** ***');
    expect(createMask(['abcd', 'cdef']).text('-abcdef-')).to.equal('-***-');
    expect(createMask(['aaa']).text('-aaaaa-')).to.equal('-***-');
    expect(createMask(['abc']).text('abcabc')).to.equal('******');
  });

  it('takes each line of a secret of several lines, but for very short ones', () => {
    const key = '-----BEGIN-----\nMIIEow\r\nab\nzzzz\n';
    expect(createMask([key]).text('MIIEow')).to.equal('***');
    expect(createMask([key]).text('line -----BEGIN----- zzzz ab')).to.equal('line *** *** ab');
    expect(createMask([key]).text(key)).to.equal('***\n');
  });

  it('leaves alone what would be everywhere', () => {
    const mask = createMask(['', 'a', 'ab', '\n', '\n\n']);
    expect(mask.text('an abacus\n\n')).to.equal('an abacus\n\n');
    const under = keeping();
    expect(mask.output(under)).to.equal(under);
    expect(createMask(['abc']).text('abcd')).to.equal('***d');
  });

  it('does not count the line break behind a secret to it', () => {
    expect(told(['hunter2\n'], [Buffer.from('hunter2\nnext\n')])).to.equal('***\nnext\n');
  });

  it('keeps streams apart, and masks the parts of an output, and their parts', () => {
    const under = keeping();
    const output = createMask(['hunter2']).output(under);
    const job = output.part('build');
    job.write('stdout', Buffer.from('hun'));
    job.write('stderr', Buffer.from('ter2 hunter2'));
    job.part('deep').write('stdout', Buffer.from('hunter2!'));
    job.write('stdout', Buffer.from('ter2'));
    job.end('stdout');
    job.end('stderr');
    expect(under.kept.get('build/stdout')).to.equal('***|end');
    expect(under.kept.get('build/stderr')).to.equal('ter2 ***|end');
    expect(under.kept.get('build/deep/stdout')).to.equal('***!');
  });

  it('holds back only what may be the beginning of a secret', () => {
    const under = keeping();
    const output = createMask(['hunter2']).output(under);
    output.write('stdout', Buffer.from('password: hunt'));
    expect(under.kept.get('stdout')).to.equal('password: ');
    output.write('stdout', Buffer.from('ing\n'));
    expect(under.kept.get('stdout')).to.equal('password: hunting\n');
    output.write('stdout', Buffer.from('h'));
    output.end('stdout');
    expect(under.kept.get('stdout')).to.equal('password: hunting\nh|end');
  });

  it('passes on the chunk itself when there is nothing in it', () => {
    const seen: Uint8Array[] = [];
    const output = createMask(['hunter2']).output({ ...keeping(), write: (_stream, chunk) => { seen.push(chunk); } });
    const chunk = Buffer.from('nothing to see\n');
    output.write('stdout', chunk);
    expect(seen[0]!.buffer).to.equal(chunk.buffer);
  });

  it('remembers no more than a secret is long, however long a row of them is', () => {
    const mask = createMask(['aaaa']);
    const under = keeping();
    const output = mask.output(under);
    for (let i = 0; i < 2_000; i++) output.write('stdout', Buffer.from('a'.repeat(50)));
    output.write('stdout', Buffer.from('b'));
    expect(under.kept.get('stdout')).to.equal('***b');
  });

  it('tells whatever there is, and no secret, for random secrets, texts and cuts', () => {
    const whole = wholeFrom(4);
    const word = (most: number): string => Array.from({ length: 3 + whole(most) }, () => 'abé'[whole(3)]!).join('');
    for (let round = 0; round < 3_000; round++) {
      const secrets = Array.from({ length: 1 + whole(4) }, () => word(5));
      const text = Array.from({ length: whole(12) }, () => (whole(3) === 0 ? secrets[whole(secrets.length)]! : word(4))).join(whole(2) === 0 ? '' : '\n');
      const bytes = Buffer.from(text);
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + whole(8);
        chunks.push(bytes.subarray(at, end));
        at = end;
      }
      const right = expected(secrets, text);
      expect(Buffer.from(told(secrets, chunks), 'latin1').toString(), JSON.stringify({ secrets, text })).to.equal(right);
      expect(createMask(secrets).text(text)).to.equal(right);
    }
  });
});
