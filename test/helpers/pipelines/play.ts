// A pipeline that is run by a client of a gateway, and everything that client hears of it.

import { wsClient, type Heard, type WsClient } from '../ws-client.ts';
import { isOne, type Event, type ExpectedEvent } from './order.ts';

export interface Line {
  /** Absent: of the run itself. */
  readonly job?: string;
  readonly stream: string;
  readonly text: string;
}

export interface Played {
  readonly run: string;
  /** Those of the pipeline and its jobs, in their order. */
  readonly events: readonly Event[];
  readonly lines: readonly Line[];
  /** Both, in the order in which they came. */
  readonly heard: readonly (Line | { readonly event: Event })[];
  readonly result: Readonly<Record<string, unknown>>;
}

export interface Play {
  readonly call: string;
  readonly params: readonly string[];
  /** An archive, sent as the run's input. */
  readonly input?: Buffer;
  /** Cancelled when all of it was heard. */
  readonly cancelAt?: { readonly job?: string; readonly line?: string; readonly event?: ExpectedEvent };
}

/** Throws when the run is refused without having been announced. */
export async function play({ wsUrl }: { readonly wsUrl: string }, { call, params, input, cancelAt }: Play): Promise<Played> {
  const client = await wsClient(wsUrl, ['distillery.v2']);
  client.control({ call, params });
  if (input !== undefined) sendInput(client, input);
  const listener = new Listener();
  let cancelled = cancelAt === undefined;
  for (;;) {
    const heard = await client.next();
    if ('closed' in heard) return listener.played();
    listener.hear(heard);
    if (cancelled || !listener.heardAll(cancelAt!)) continue;
    cancelled = true;
    client.control({ signal: 'cancel' });
  }
}

const inputLine = 32_768;

/** In base64, cut into lines. */
function sendInput(client: WsClient, archive: Buffer): void {
  const text = archive.toString('base64');
  for (let at = 0; at < text.length; at += inputLine) client.text(text.slice(at, at + inputLine));
  client.control({ signal: 'close' });
}

class Listener {
  readonly #events: Event[] = [];
  readonly #lines: Line[] = [];
  readonly #heard: (Line | { readonly event: Event })[] = [];
  #source: Omit<Line, 'text'> = { stream: 'stdout' };
  #run: string | undefined;
  #result: Readonly<Record<string, unknown>> | undefined;

  hear(heard: Exclude<Heard, { readonly closed: number }>): void {
    if ('text' in heard) {
      const line = { ...this.#source, text: heard.text };
      this.#lines.push(line);
      this.#heard.push(line);
      return;
    }
    const { run, event, success } = heard.json as { run?: { id: string }; event?: Event; success?: boolean };
    if (run !== undefined) this.#run = run.id;
    if (success !== undefined) this.#result = heard.json;
    if (event?.['type'] === 'stream') this.#source = sourceOf(event);
    else if (event !== undefined && /^(pipeline|job)-/.test(String(event['type']))) {
      this.#events.push(event);
      this.#heard.push({ event });
    }
  }

  heardAll({ job, line, event }: NonNullable<Play['cancelAt']>): boolean {
    return (line === undefined || this.#lines.some((one) => one.job === job && one.text === line))
      && (event === undefined || this.#events.some((one) => isOne(one, event)));
  }

  played(): Played {
    if (this.#result === undefined) throw new Error('there was no result');
    return { run: this.#run ?? '', events: this.#events, lines: this.#lines, heard: this.#heard, result: this.#result };
  }
}

function sourceOf({ stream, job }: Event): Omit<Line, 'text'> {
  return { stream: String(stream), ...(typeof job === 'string' && { job }) };
}

/** The lines of each job, in order. */
export function linesByJob(lines: readonly Line[]): Readonly<Record<string, { readonly stdout: readonly string[]; readonly stderr: readonly string[] }>> {
  const jobs: Record<string, { readonly stdout: string[]; readonly stderr: string[] }> = {};
  for (const { job = '', stream, text } of lines) {
    const held = jobs[job] ??= { stdout: [], stderr: [] };
    held[stream === 'stderr' ? 'stderr' : 'stdout'].push(text);
  }
  return jobs;
}
