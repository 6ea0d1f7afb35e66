// Reads event streams as the HTML standard says (9.2.6), from a text or from an answer as it comes.

import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { until } from '../../helpers/until.ts';

export interface Message {
  readonly event: string;
  readonly data: string;
  /** The last id that was given, as a browser would send it. */
  readonly id: string;
}

/** Whole messages only; what is unfinished is not told. */
export function messagesIn(text: string): readonly Message[] {
  let id = '';
  return text.split('\n\n').slice(0, -1).flatMap((block) => {
    const fields = block.split(/\r\n|\n|\r/).map((line) => /^([^:]*): ?(.*)$/s.exec(line) ?? ['', line, '']);
    const values = (name: string): readonly string[] => fields.filter(([, field]) => field === name).map(([, , value = '']) => value);
    id = values('id').at(-1) ?? id;
    const data = values('data');
    return data.length === 0 ? [] : [{ event: values('event').at(-1) ?? 'message', data: data.join('\n'), id }];
  });
}

export interface Reader {
  readonly answer: IncomingMessage;
  readonly text: string;
  readonly messages: readonly Message[];
  /** As in a list: `line "hello"`. */
  readonly told: readonly string[];
  readonly ended: boolean;
  has(what: string, is: (messages: readonly Message[]) => boolean): Promise<void>;
  end(): Promise<void>;
  /** Cuts the connection. */
  cut(): void;
}

export interface Opening {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

/** Opens the stream at `path`, and resolves with the head of the answer. */
export function openStream(port: number, path: string, { headers = {}, method = 'GET' }: Opening = {}): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (answer) => resolve(readerOf(asked, answer)));
    asked.on('error', reject);
    asked.end();
  });
}

function readerOf(asked: ClientRequest, answer: IncomingMessage): Reader {
  let text = '';
  let ended = false;
  answer.setEncoding('utf8');
  answer.on('data', (chunk: string) => { text += chunk; });
  answer.on('error', () => {});
  answer.on('close', () => { ended = true; });
  asked.on('error', () => {});
  return {
    answer,
    get text() { return text; },
    get messages() { return messagesIn(text); },
    get told() { return messagesIn(text).map(({ event, data }) => `${event} ${data}`); },
    get ended() { return ended; },
    has: (what, is) => until(what, () => is(messagesIn(text))),
    end: () => until('the stream ends', () => ended),
    cut: () => { asked.destroy(); },
  };
}
