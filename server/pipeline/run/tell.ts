// What a pipeline tells: each event with its time, and without secrets.

import type { Events } from '../../../calls/contract/ports.ts';
import type { Json } from '../../../protocol/record.ts';
import type { JobStep, PipelineEvent } from './events.ts';
import type { Mask } from './mask.ts';

type Untimed<Event> = Event extends unknown ? Omit<Event, 'time'> : never;

export interface Teller {
  tell(event: Untimed<PipelineEvent>): void;
  step(job: string, step: JobStep): void;
  warn(message: string): void;
}

/** Facts that hold words which jobs and their makers choose. The others are names of ours or of the plan. */
const freeText = ['message', 'command', 'condition'] as const;

export function createTeller(events: Events, mask: Pick<Mask, 'text'>): Teller {
  const tell: Teller['tell'] = (event) => {
    const { type, ...facts } = event as { readonly type: string } & Readonly<Record<string, Json>>;
    const masked = Object.fromEntries(freeText.filter((key) => typeof facts[key] === 'string').map((key) => [key, mask.text(facts[key] as string)]));
    events.emit(type, { time: new Date().toISOString(), ...facts, ...masked });
  };
  return {
    tell,
    step: (job, step) => tell({ type: 'job-step', job, ...step }),
    warn: (message) => tell({ type: 'pipeline-warning', message }),
  };
}
