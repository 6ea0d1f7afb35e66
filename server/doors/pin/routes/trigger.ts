// A pipeline is brought by a request: its text as the body, or a form with the text and files.

import type { IncomingMessage } from 'node:http';
import { formOf, isForm, textOf, type Form } from '../body.ts';
import { PinRefusal } from '../refusal.ts';
import type { PinRecord } from '../runs/record.ts';
import type { Origin } from '../runs/told.ts';
import { flag } from './query.ts';
import { timestamp, type Answer, type Asked, type DoorParts, type Route } from './route.ts';

export const triggerRoute: Route = {
  method: 'POST', path: '/trigger', summary: 'runs the pipeline in the body; with ?wait=true answers when it is over', unnamed: true,
  answer: async (asked, door) => {
    const { wait, text, files } = await wished(asked, door).catch((error: unknown) => {
      door.pipelines.tellRefused(origin, error);
      throw error;
    });
    const taken = await door.pipelines.take({ text, origin, ...(files !== undefined && { upload: files }) });
    if (wait) return awaited(await taken.over);
    const { id, waits, warnings } = taken;
    const message = waits ? 'Pipeline execution queued' : 'Pipeline execution started';
    return { json: { status: 'accepted', message, run_id: id, pipeline_id: id, ...(warnings.length > 0 && { warnings }), timestamp: timestamp() } };
  },
};

const origin: Origin = { source: 'http_endpoint' };

interface Wished extends Form {
  readonly wait: boolean;
}

async function wished({ request, query }: Asked, door: DoorParts): Promise<Wished> {
  const wait = flag(query, 'wait');
  return { wait, ...await brought(request, door) };
}

async function brought(request: IncomingMessage, { limits, uploads, isStopping }: DoorParts): Promise<Form> {
  // Before hundreds of megabytes are read for nothing.
  if (isStopping()) throw new PinRefusal('not_ready', 'the gateway is stopping', { headers: { 'Retry-After': '1' } });
  const { messageBytesMax: textBytesMax, workspaceBytesMax: filesBytesMax, requestMs: stallMs } = limits();
  return isForm(request) ? formOf(request, { folder: uploads, textBytesMax, filesBytesMax, stallMs }) : { text: await textOf(request, { textBytesMax, stallMs }) };
}

function awaited(record: PinRecord): Answer {
  if (record.status === 'success') return { json: record };
  const message = record.status === 'cancelled' ? 'Pipeline execution cancelled' : 'Pipeline execution failed';
  throw new PinRefusal('pipeline_failed', message, { details: record });
}
