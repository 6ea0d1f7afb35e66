// Tests that the mask hides secrets, however the output is cut into chunks.

import { expect } from 'chai';
import type { Output, OutputStream } from '../../../../calls/contract/ports.ts';
import { createMask } from '../../../../server/pipeline/run/resources/secret-mask.ts';
import { createRandomInteger, seeds } from '../../../helpers/seeded-random.ts';

/** Collects the output by part and stream. */
function collectingOutput(
  text = new Map<string, string>(),
  part = '',
): Output & { readonly text: Map<string, string> } {
  return {
    text,
    full: false,
    drained: () => Promise.resolve(),
    write: (stream, chunk) => {
      text.set(`${part}${stream}`, (text.get(`${part}${stream}`) ?? '') + Buffer.from(chunk).toString('latin1'));
    },
    end: (stream) => {
      text.set(`${part}${stream}`, `${text.get(`${part}${stream}`) ?? ''}|end`);
    },
    part: (name) => collectingOutput(text, `${part}${name}/`),
  };
}

/** Returns the masked output of `chunks`. Overwrites each chunk after writing it, as its owner may reuse it. */
function maskChunks(values: readonly string[], chunks: readonly Uint8Array[], stream: OutputStream = 'stdout'): string {
  const collected = collectingOutput();
  const output = createMask(values).output(collected);
  for (const chunk of chunks) {
    const reusedChunk = Buffer.from(chunk);
    output.write(stream, reusedChunk);
    reusedChunk.fill(0x23);
  }
  output.end(stream);
  return (collected.text.get(stream) ?? '').replace(/\|end$/, '');
}

/** Computes the expected text by brute force: masks every occurrence of a secret, and merges overlapping ones. */
function maskByBruteForce(secrets: readonly string[], text: string): string {
  const within = new Array<number>(text.length).fill(-1);
  const spans = secrets
    .flatMap((secret) =>
      [...text].flatMap((_char, at) => (text.startsWith(secret, at) ? [[at, at + secret.length] as const] : [])),
    )
    .sort((a, b) => a[0] - b[0]);
  let span = -1;
  let end = -1;
  for (const [from, to] of spans) {
    if (from >= end) span++;
    end = Math.max(end, to);
    for (let at = from; at < to; at++) if (within[at] === -1) within[at] = span;
  }
  return [...text].map((char, at) => (within[at] === -1 ? char : within[at] === within[at - 1] ? '' : '***')).join('');
}

describe('the secret mask', () => {
  it('the mask replaces a secret with stars', () => {
    const mask = createMask(['hunter2', 'swordfish']);
    expect(mask.text('user hunter2, password swordfish, hunter3')).to.equal('user ***, password ***, hunter3');
    expect(mask.text('')).to.equal('');
    expect(maskChunks(['hunter2'], [Buffer.from('a hunter2 b\nhunter2\n')])).to.equal('a *** b\n***\n');
  });

  it('the mask finds a secret however the chunks are cut', () => {
    const text = Buffer.from('x hunter2 y');
    for (let at = 0; at <= text.length; at++)
      expect(maskChunks(['hunter2'], [text.subarray(0, at), text.subarray(at)])).to.equal('x *** y');
    expect(
      maskChunks(
        ['hunter2'],
        [...text].map((byte) => Uint8Array.of(byte)),
      ),
    ).to.equal('x *** y');
  });

  it('the mask replaces the longest of several secrets, and overlapping secrets together', () => {
    expect(createMask(['pass', 'password', 'word']).text('password pass word')).to.equal('*** *** ***');
    expect(createMask(['abcd', 'cdef']).text('-abcdef-')).to.equal('-***-');
    expect(createMask(['aaa']).text('-aaaaa-')).to.equal('-***-');
    expect(createMask(['abc']).text('abcabc')).to.equal('******');
  });

  it('the mask replaces each line of a multi-line secret, except very short lines', () => {
    const key = '-----BEGIN-----\nMIIEow\r\nab\nzzzz\n';
    expect(createMask([key]).text('MIIEow')).to.equal('***');
    expect(createMask([key]).text('line -----BEGIN----- zzzz ab')).to.equal('line *** *** ab');
    expect(createMask([key]).text(key)).to.equal('***\n');
  });

  it('the mask ignores secrets that are too short', () => {
    const mask = createMask(['', 'a', 'ab', '\n', '\n\n']);
    expect(mask.text('an abacus\n\n')).to.equal('an abacus\n\n');
    const collected = collectingOutput();
    expect(mask.output(collected)).to.equal(collected);
    expect(createMask(['abc']).text('abcd')).to.equal('***d');
  });

  it('the line break after a secret does not belong to it', () => {
    expect(maskChunks(['hunter2\n'], [Buffer.from('hunter2\nnext\n')])).to.equal('***\nnext\n');
  });

  it('the mask handles each stream separately, and masks parts of an output at every depth', () => {
    const collected = collectingOutput();
    const output = createMask(['hunter2']).output(collected);
    const job = output.part('build');
    job.write('stdout', Buffer.from('hun'));
    job.write('stderr', Buffer.from('ter2 hunter2'));
    job.part('deep').write('stdout', Buffer.from('hunter2!'));
    job.write('stdout', Buffer.from('ter2'));
    job.end('stdout');
    job.end('stderr');
    expect(collected.text.get('build/stdout')).to.equal('***|end');
    expect(collected.text.get('build/stderr')).to.equal('ter2 ***|end');
    expect(collected.text.get('build/deep/stdout')).to.equal('***!');
  });

  it('the mask buffers only what may be the start of a secret', () => {
    const collected = collectingOutput();
    const output = createMask(['hunter2']).output(collected);
    output.write('stdout', Buffer.from('password: hunt'));
    expect(collected.text.get('stdout')).to.equal('password: ');
    output.write('stdout', Buffer.from('ing\n'));
    expect(collected.text.get('stdout')).to.equal('password: hunting\n');
    output.write('stdout', Buffer.from('h'));
    output.end('stdout');
    expect(collected.text.get('stdout')).to.equal('password: hunting\nh|end');
  });

  it('the mask passes on the same chunk if it contains no secret', () => {
    const seen: Uint8Array[] = [];
    const output = createMask(['hunter2']).output({
      ...collectingOutput(),
      write: (_stream, passed) => {
        seen.push(passed);
      },
    });
    const chunk = Buffer.from('nothing to see\n');
    output.write('stdout', chunk);
    expect(seen[0]!.buffer).to.equal(chunk.buffer);
  });

  it('the mask buffers no more than the length of a secret, however often it repeats', () => {
    const mask = createMask(['aaaa']);
    const collected = collectingOutput();
    const output = mask.output(collected);
    for (let i = 0; i < 2_000; i++) output.write('stdout', Buffer.from('a'.repeat(50)));
    output.write('stdout', Buffer.from('b'));
    expect(collected.text.get('stdout')).to.equal('***b');
  });

  it('the mask writes everything except secrets, for random secrets, texts and cuts', () => {
    for (const seed of seeds(3_000)) {
      const whole = createRandomInteger(seed);
      const word = (most: number): string => Array.from({ length: 3 + whole(most) }, () => 'abé'[whole(3)]!).join('');
      const secrets = Array.from({ length: 1 + whole(4) }, () => word(5));
      const text = Array.from({ length: whole(12) }, () =>
        whole(3) === 0 ? secrets[whole(secrets.length)]! : word(4),
      ).join(whole(2) === 0 ? '' : '\n');
      const bytes = Buffer.from(text);
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + whole(8);
        chunks.push(bytes.subarray(at, end));
        at = end;
      }
      const right = maskByBruteForce(secrets, text);
      expect(Buffer.from(maskChunks(secrets, chunks), 'latin1').toString(), JSON.stringify({ secrets, text })).to.equal(
        right,
      );
      expect(createMask(secrets).text(text)).to.equal(right);
    }
  });
});
