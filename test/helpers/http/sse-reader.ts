// Parses event streams (HTML standard 9.2.6), from a text or from a response as it arrives.

import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as requestWithTls } from 'node:https';
import { waitUntil } from '../wait-until.ts';

export interface Message {
  readonly event: string;
  readonly data: string;
  /** The last id in the stream, which a browser would send when it reconnects. */
  readonly id: string;
}

/** Parses an event stream. Returns only complete messages. */
export function messagesIn(text: string): readonly Message[] {
  const parser = new StreamParser();
  parser.push(text);
  return parser.messages;
}

/** Parses an event stream piece by piece, so that repeated checks of a long stream do not parse it again. */
class StreamParser {
  /** All complete messages. */
  readonly messages: Message[] = [];
  #rest = '';
  #id = '';

  push(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop()!;
    for (const block of blocks) this.#add(block);
  }

  #add(block: string): void {
    let event = 'message';
    const data: string[] = [];
    for (const line of block.split(/\r\n|\n|\r/)) {
      const [, field, value = ''] = /^([^:]*): ?(.*)$/s.exec(line) ?? ['', line];
      if (field === 'id') this.#id = value;
      else if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
    if (data.length > 0) this.messages.push({ event, data: data.join('\n'), id: this.#id });
  }
}

export interface Reader {
  readonly answer: IncomingMessage;
  readonly text: string;
  /** All complete messages so far. The list grows. */
  readonly messages: readonly Message[];
  /** The messages as short texts: `line "hello"`. */
  readonly summaries: readonly string[];
  readonly ended: boolean;
  has(what: string, is: (messages: readonly Message[]) => boolean): Promise<void>;
  end(): Promise<void>;
  /** Drops the connection. */
  cut(): void;
}

export interface Opening {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  /** Name of the server for TLS. Its certificate is not checked. Absent: no TLS. */
  readonly servername?: string;
}

/** Opens the stream at `path`. Resolves with the response head. */
export function openStream(
  port: number,
  path: string,
  { headers = {}, method = 'GET', servername }: Opening = {},
): Promise<Reader> {
  const options = { port, host: '127.0.0.1', path, method, headers, agent: false };
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage): void => resolve(createReader(asked, answer));
    const asked =
      servername === undefined
        ? request(options, onAnswer)
        : requestWithTls({ ...options, servername, rejectUnauthorized: false }, onAnswer);
    asked.on('error', reject);
    asked.end();
  });
}

function createReader(asked: ClientRequest, answer: IncomingMessage): Reader {
  let text = '';
  let ended = false;
  const parser = new StreamParser();
  answer.setEncoding('utf8');
  answer.on('data', (chunk: string) => {
    text += chunk;
    parser.push(chunk);
  });
  answer.on('error', () => {});
  answer.on('close', () => {
    ended = true;
  });
  asked.on('error', () => {});
  return {
    answer,
    get text() {
      return text;
    },
    get messages() {
      return parser.messages;
    },
    get summaries() {
      return parser.messages.map(({ event, data }) => `${event} ${data}`);
    },
    get ended() {
      return ended;
    },
    has: (what, is) => waitUntil(what, () => is(parser.messages)),
    end: () => waitUntil('the stream ends', () => ended),
    cut: () => {
      asked.destroy();
    },
  };
}
