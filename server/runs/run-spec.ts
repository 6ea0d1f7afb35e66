// Settings of a run that are fixed when it is accepted. They apply even if the configuration changes later.

import type { ByteDirection, CallKind } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import type { DisconnectPolicy } from '../../calls/contract/disconnect.ts';
import type { StopPolicy } from '../../calls/contract/engines.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { MachineTime } from '../support/machine-time.ts';
import type { LogForm } from './log/options.ts';
import type { CallKeyLimit } from './queue.ts';

/** Plain JSON that is stored with the record, so that a later gateway can continue the run. */
export interface RunSpec {
  readonly kind: CallKind;
  /** Values by name, with defaults filled in. */
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  /** The scope of the call. */
  readonly scope?: string;
  readonly stop: StopPolicy;
  readonly timeoutMs?: number;
  /** Applies when the last client has disconnected. */
  readonly onDisconnect: DisconnectPolicy;
  /** Whether clients may detach. */
  readonly mayDetach: boolean;
  /** 0: the run never counts as stalled. */
  readonly stallAfterMs: number;
  readonly lineBytesMax: number;
  /** 0: no limit. */
  readonly outputBytesMax: number;
  /** The limit of the run's call key. The name of this field is part of the stored JSON. */
  readonly slot?: CallKeyLimit;
  readonly terminal?: TerminalSize;
  /** Time at which a container run started. A later gateway process needs it to continue the run. */
  readonly startedOn?: MachineTime;
  /** The directions in which the run exchanges bytes, not lines. */
  readonly bytes?: readonly ByteDirection[];
}

/** Returns the form of the log for a run with these settings. */
export function chooseLogForm({ kind, bytes = [] }: Pick<RunSpec, 'kind' | 'bytes'>): LogForm {
  if (kind === 'terminal') return { format: 'raw' };
  return bytes.includes('output') ? { format: 'raw', exact: true } : { format: 'lines' };
}
