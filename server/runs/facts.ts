// What was decided about a run when it was accepted: all that a later gateway needs to know of it, although the configuration may have changed.

import type { Call, CallKind } from '../../calls/contract/call.ts';
import type { Caller } from '../../calls/contract/context.ts';
import { allowsDisconnect, usualDisconnect, type DisconnectPolicy } from '../../calls/contract/disconnect.ts';
import type { StopPolicy } from '../../calls/contract/engines.ts';
import type { Limits } from '../../protocol/limits.ts';
import type { TerminalSize } from '../../protocol/messages.ts';
import type { Shape } from './log/page.ts';
import type { Slot } from './queue.ts';

/** Plain JSON; the store keeps it beside the record. */
export interface RunFacts {
  readonly kind: CallKind;
  /** By name, defaults filled in. */
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  /** Of the call. */
  readonly scope?: string;
  readonly stop: StopPolicy;
  readonly timeoutMs?: number;
  /** What becomes of it when nobody stays with it any more. */
  readonly onDisconnect: DisconnectPolicy;
  /** Whether its clients may leave it to itself. */
  readonly mayDetach: boolean;
  /** 0: never. */
  readonly stallAfterMs: number;
  readonly lineBytesMax: number;
  /** 0: no bound. */
  readonly outputBytesMax: number;
  /** What it takes a place of while it runs. */
  readonly slot?: Slot;
  readonly terminal?: TerminalSize;
}

export interface Accepted {
  readonly call: Call;
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  readonly onDisconnect: DisconnectPolicy;
  readonly terminal?: TerminalSize | undefined;
}

export function factsOf({ call, params, caller, onDisconnect, terminal }: Accepted, limits: Limits): RunFacts {
  const { kind, stop, scope, timeoutMs, stallAfterMs = limits.stallMs, outputBytesMax = limits.outputBytesMax } = call;
  const slot = slotOf(call, params);
  return {
    kind, params, caller, stop, onDisconnect, mayDetach: allowsDisconnect(call.onDisconnect ?? usualDisconnect, { type: 'detach' }),
    stallAfterMs, outputBytesMax, lineBytesMax: limits.lineBytesMax,
    ...(scope !== undefined && { scope }), ...(timeoutMs !== undefined && { timeoutMs }),
    ...(slot !== undefined && { slot }), ...(terminal !== undefined && { terminal }),
  };
}

/** How its log is kept. */
export function shapeOf(kind: CallKind): Shape {
  return kind === 'terminal' ? 'raw' : 'lines';
}

/** Runs with the same key share the places: those of one call, and of one value of its param `by`. */
function slotOf({ name, concurrency }: Call, params: Readonly<Record<string, string>>): Slot | undefined {
  if (concurrency === undefined) return undefined;
  const { limit, queue, by } = concurrency;
  return { key: JSON.stringify(by === undefined ? [name] : [name, params[by]]), limit, queue };
}
