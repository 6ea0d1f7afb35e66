// Emits the events of a pipeline, with their time and with secrets masked.

import type { Events } from '../../../../calls/contract/ports.ts';
import type { Json } from '../../../../protocol/run-record.ts';
import type { Mask } from '../resources/secret-mask.ts';
import type { JobStep, PipelineEvent } from './events.ts';

type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'time'> : never;

export interface PipelineEmitter {
  emit(event: WithoutTime<PipelineEvent>): void;
  emitStep(job: string, step: JobStep): void;
  warn(message: string): void;
}

/** Fields that contain text from users. All other fields contain names from the gateway or the plan. */
const userTextFields = ['message', 'command', 'condition'] as const;

export function createPipelineEmitter(events: Events, mask: Pick<Mask, 'text'>): PipelineEmitter {
  const emit: PipelineEmitter['emit'] = (event) => {
    const { type, ...fields } = event as { readonly type: string } & Readonly<Record<string, Json>>;
    const masked = Object.fromEntries(
      userTextFields
        .filter((key) => typeof fields[key] === 'string')
        .map((key) => [key, mask.text(fields[key] as string)]),
    );
    events.emit(type, { time: new Date().toISOString(), ...fields, ...masked });
  };
  return {
    emit,
    emitStep: (job, step) => emit({ type: 'job-step', job, ...step }),
    warn: (message) => emit({ type: 'pipeline-warning', message }),
  };
}
