// Runs a pipeline as a client of a gateway and records everything the client receives.

import { connectWsClient, type ReceivedMessage, type WsClient } from '../websocket/ws-client.ts';
import { type Event, type ExpectedEvent, matchesEvent } from './expected-events.ts';

export interface Line {
  /** Name of the job. Absent for lines of the run itself. */
  readonly job?: string;
  readonly stream: string;
  readonly text: string;
}

export interface PipelineRunResult {
  readonly run: string;
  /** Events of the pipeline and its jobs, in order. */
  readonly events: readonly Event[];
  readonly lines: readonly Line[];
  /** Lines and events in the order of arrival. */
  readonly received: readonly (Line | { readonly event: Event })[];
  readonly result: Readonly<Record<string, unknown>>;
}

export interface PipelineRunRequest {
  readonly call: string;
  readonly params: readonly string[];
  /** An archive that is sent as the input of the run. */
  readonly input?: Buffer;
  /** Cancels the run when the client has received all of these. */
  readonly cancelAt?: { readonly job?: string; readonly line?: string; readonly event?: ExpectedEvent };
}

/** Runs a pipeline to its end. Rejects if the run is rejected without an announcement. */
export async function runPipeline(
  { wsUrl }: { readonly wsUrl: string },
  { call, params, input, cancelAt }: PipelineRunRequest,
): Promise<PipelineRunResult> {
  const client = await connectWsClient(wsUrl, ['distillery.v2']);
  client.sendControl({ call, params });
  if (input !== undefined) sendInput(client, input);
  const recorder = new PipelineRecorder();
  let cancelled = cancelAt === undefined;
  for (;;) {
    const message = await client.next();
    if ('closed' in message) return recorder.result();
    recorder.record(message);
    if (cancelled || !recorder.hasReceived(cancelAt!)) continue;
    cancelled = true;
    client.sendControl({ signal: 'cancel' });
  }
}

const inputLine = 32_768;

/** Sends an archive as base64 lines, and then the end of input. */
function sendInput(client: WsClient, archive: Buffer): void {
  const text = archive.toString('base64');
  for (let at = 0; at < text.length; at += inputLine) client.sendText(text.slice(at, at + inputLine));
  client.sendControl({ signal: 'close' });
}

class PipelineRecorder {
  readonly #events: Event[] = [];
  readonly #lines: Line[] = [];
  readonly #received: (Line | { readonly event: Event })[] = [];
  #source: Omit<Line, 'text'> = { stream: 'stdout' };
  #run: string | undefined;
  #result: Readonly<Record<string, unknown>> | undefined;

  record(message: Exclude<ReceivedMessage, { readonly closed: number }>): void {
    if ('text' in message) {
      const line = { ...this.#source, text: message.text };
      this.#lines.push(line);
      this.#received.push(line);
      return;
    }
    const { run, event, success } = message.json as { run?: { id: string }; event?: Event; success?: boolean };
    if (run !== undefined) this.#run = run.id;
    if (success !== undefined) this.#result = message.json;
    if (event?.['type'] === 'stream') this.#source = readSource(event);
    else if (event !== undefined && /^(pipeline|job)-/.test(String(event['type']))) {
      this.#events.push(event);
      this.#received.push({ event });
    }
  }

  hasReceived({ job, line, event }: NonNullable<PipelineRunRequest['cancelAt']>): boolean {
    return (
      (line === undefined || this.#lines.some((one) => one.job === job && one.text === line)) &&
      (event === undefined || this.#events.some((one) => matchesEvent(one, event)))
    );
  }

  result(): PipelineRunResult {
    if (this.#result === undefined) throw new Error('there was no result');
    return {
      run: this.#run ?? '',
      events: this.#events,
      lines: this.#lines,
      received: this.#received,
      result: this.#result,
    };
  }
}

function readSource({ stream, job }: Event): Omit<Line, 'text'> {
  return { stream: String(stream), ...(typeof job === 'string' && { job }) };
}

/** Groups lines by job, in order. */
export function linesByJob(
  lines: readonly Line[],
): Readonly<Record<string, { readonly stdout: readonly string[]; readonly stderr: readonly string[] }>> {
  const jobs: Record<string, { readonly stdout: string[]; readonly stderr: string[] }> = {};
  for (const { job = '', stream, text } of lines) {
    const output = (jobs[job] ??= { stdout: [], stderr: [] });
    output[stream === 'stderr' ? 'stderr' : 'stdout'].push(text);
  }
  return jobs;
}
