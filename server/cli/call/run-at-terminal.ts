// A run at the command line, started here or attached to: output to stdout, status to stderr, stdin to the run, signals to cancels, and an exit code.

import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { CallResult, Item, LinkOptions, OpenCall } from '../../../protocol/client.ts';
import { endpoint } from '../../../protocol/client.ts';
import type { GapMessage, NoticeCode, TerminalSize } from '../../../protocol/messages.ts';
import { absentHint } from '../ask-gateway.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { onInterrupts, sameKeystrokeMs } from '../interrupts.ts';
import { hasColour, painter } from '../paint.ts';
import type { Painter } from '../paint.ts';
import type { Ends } from '../parts.ts';
import { gatewaySocket } from './gateway-socket.ts';
import type { Refusal } from './gateway-socket.ts';
import { forwardChunks, forwardLines } from './input.ts';
import { LineTooLong } from './input-lines.ts';
import { Output } from './output.ts';
import { enterRaw, onResize, sizeOf } from './raw-terminal.ts';
import { complain, describeGap, printable } from './status.ts';
import { plainView, type View } from './view.ts';

export interface TerminalPlan {
  /** Address of the gateway. */
  readonly url: string;
  readonly open: (link: LinkOptions, screen: TerminalSize | undefined) => OpenCall;
  /** Where the output of the run goes. */
  readonly output: 'stdout' | 'nowhere';
  /** `ended`: the run gets no input at all. `untouched`: this command has nothing to do with it. A function feeds the run itself; what it throws is told, and the run withdrawn. */
  readonly input: 'stdin' | 'ended' | 'untouched' | ((call: OpenCall) => Promise<void>);
  /** Absent: lines as they are. */
  readonly view?: View;
  /** What Ctrl-C means, and a reader of stdout that goes away. */
  readonly onInterrupt: 'cancel' | 'leave';
  readonly quiet: boolean;
  /** False: a connection that is lost ends it all. */
  readonly reconnect: boolean;
  /** Called once, when the run is announced. */
  readonly onRun?: (call: OpenCall) => void;
  /** Where the result goes as JSON; `-` is stderr. */
  readonly resultFile?: string;
  /** What is wrong with a notice of this code; then this command ends without the run. */
  readonly refused?: (notice: NoticeCode) => string | undefined;
  /** In place of the exit code that says how the run ended. */
  readonly exitCode?: (result: CallResult) => number;
}

const pingMs = 20_000;
const keys = { cancel: 'Ctrl-C again skips the grace', leave: 'Ctrl-C again does not wait for that' };

/** Resolves with the exit code. */
export function runAtTerminal(plan: TerminalPlan, ends: Ends): Promise<number> {
  return new RunAtTerminal(plan, ends).finish();
}

class RunAtTerminal {
  readonly #plan: TerminalPlan;
  readonly #ends: Ends;
  readonly #paint: Painter;
  readonly #output: Output;
  readonly #call: OpenCall;
  readonly #undo: (() => void)[] = [];
  #refusal: Refusal | undefined;
  #inputProblem: string | undefined;
  #denial: string | undefined;
  #known = false;
  #raw = false;

  constructor(plan: TerminalPlan, ends: Ends) {
    this.#plan = plan;
    this.#ends = ends;
    this.#paint = painter(hasColour(ends.stderr, ends.env));
    this.#output = new Output(ends.stdout, () => this.#withdraw());
    // Status is a courtesy: nobody reading it is no reason to stop.
    ends.stderr.on('error', () => {});
    const size = this.#screen === undefined ? undefined : sizeOf(this.#screen);
    this.#call = plan.open({
      url: endpoint(plan.url), socket: gatewaySocket({ pingMs, onRefusal: (refusal) => { this.#refusal = refusal; } }),
      onItem: (item) => this.#take(item), ...(!plan.reconnect && { reconnect: false }),
    }, size);
  }

  async finish(): Promise<number> {
    this.#undo.push(onInterrupts(['SIGINT', 'SIGTERM', 'SIGHUP'], (count) => this.#interrupted(count)));
    try {
      const result = await this.#call.result;
      this.#view.end?.();
      const last = this.#view.last?.(result);
      if (last !== undefined) void this.#output.write(last);
      await this.#output.end();
      this.#leaveTerminal();
      await this.#report(result);
      return this.#exitCode(result);
    } finally {
      this.#leaveTerminal();
    }
  }

  /** The terminal that shows the output. */
  get #screen(): NodeJS.WriteStream | undefined {
    return [this.#ends.stdout, this.#ends.stderr].find((stream) => stream.isTTY);
  }

  get #view(): View {
    return this.#plan.view ?? plainView;
  }

  #take(item: Item): void | Promise<void> {
    const output = this.#view.output(item);
    const printing = output === undefined ? undefined : this.#print(output);
    if ('line' in item || 'chunk' in item) return printing;
    if ('run' in item && !this.#known) this.#accepted(item.run.terminal === true);
    // What was said before this connection was made is history.
    if ('connection' in item) this.#refusal = undefined;
    if ('notice' in item) this.#noticed(item.notice.code);
    if ('gap' in item) return this.#complainOfGap(item);
    const status = this.#view.status(item);
    if (status !== undefined) this.#say(this.#paint('dim', status));
    return printing;
  }

  /** A view that stands on the terminal has to make room. */
  #complainOfGap(item: GapMessage): void {
    if (this.#view.say === undefined) this.#complain([describeGap(item)]);
    else this.#view.say(printable(describeGap(item)));
  }

  #noticed(code: NoticeCode): void {
    this.#denial = this.#plan.refused?.(code);
    if (this.#denial !== undefined) this.#call.detach();
  }

  #print(text: string): void | Promise<void> {
    if (this.#plan.output === 'stdout') return this.#output.write(text);
  }

  #accepted(terminal: boolean): void {
    this.#known = true;
    this.#forward(terminal);
    this.#plan.onRun?.(this.#call);
  }

  /** Input is read from the moment the run is accepted: what nobody takes stays where it is. */
  #forward(terminal: boolean): void {
    const { stdin } = this.#ends;
    const { input } = this.#plan;
    if (input === 'ended') this.#call.end();
    if (typeof input === 'function') input(this.#call).catch((error: Error) => this.#feedFailed(error));
    if (input !== 'stdin') return;
    if (terminal && stdin.isTTY) this.#joinTerminals();
    const forwarding = terminal ? forwardChunks(stdin, this.#call) : forwardLines(stdin, this.#call);
    forwarding.catch((error: unknown) => this.#inputFailed(error));
  }

  #joinTerminals(): void {
    this.#undo.push(enterRaw(this.#ends.stdin));
    this.#raw = true;
    if (this.#screen !== undefined) this.#undo.push(onResize(this.#screen, (size) => this.#call.resize(size)));
  }

  #leaveTerminal(): void {
    this.#raw = false;
    this.#view.end?.();
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  /** A stdin that cannot be read is at its end. */
  #inputFailed(error: unknown): void {
    if (!(error instanceof LineTooLong)) return this.#call.end();
    this.#inputProblem = error.message;
    this.#withdraw();
  }

  #feedFailed({ message }: Error): void {
    this.#inputProblem = message;
    this.#withdraw();
  }

  #interrupted(count: number): void {
    const { onInterrupt } = this.#plan;
    if (count > (onInterrupt === 'cancel' ? 2 : 1)) this.#leaveAtOnce();
    this.#withdraw();
    const saying = onInterrupt === 'cancel' ? 'cancelling' : 'leaving';
    if (count === 1) void pause(sameKeystrokeMs, undefined, { ref: false }).then(() => this.#say(`${saying}; ${keys[onInterrupt]}`));
    else this.#say('skipping the grace; Ctrl-C again leaves without waiting');
  }

  /** This command has had enough. */
  #withdraw(): void {
    if (this.#plan.onInterrupt === 'cancel') this.#call.cancel(); else this.#call.detach();
  }

  #leaveAtOnce(): never {
    this.#leaveTerminal();
    const { run } = this.#call;
    this.#say(run === undefined ? 'left before the run was accepted' : `left without waiting; "distillery attach ${run.id}" tells how run ${run.id} goes on`);
    process.exit(exitCodes.cancelled);
  }

  #say(line: string): void {
    if (this.#plan.quiet || this.#raw || this.#output.failure !== undefined) return;
    if (this.#view.say === undefined) this.#ends.stderr.write(`${printable(line)}\n`);
    else this.#view.say(printable(line));
  }

  /** Said in spite of --quiet: without it nobody would know that this command, and not the work, has a problem. */
  #complain(lines: readonly string[]): void {
    complain(lines, this.#ends);
  }

  async #report(result: CallResult): Promise<void> {
    const problem = this.#problem(result);
    if (problem !== undefined) this.#complain(problem);
    else if (result.status === 'detached') this.#say(this.#farewell(result));
    else for (const line of this.#view.conclude(result, this.#paint)) this.#say(line);
    const { resultFile } = this.#plan;
    if (resultFile === undefined) return;
    const json = `${JSON.stringify(result)}\n`;
    if (resultFile === '-') this.#ends.stderr.write(json);
    else await writeFile(resultFile, json);
  }

  #farewell({ next = 1 }: CallResult): string {
    const unit = this.#call.run?.terminal === true ? 'byte' : 'line';
    return `left after ${unit} ${next - 1}; the run goes on: distillery attach ${this.#call.id} --after ${next - 1}`;
  }

  /** What went wrong on this side of the wire, if anything did. */
  #problem(result: CallResult): readonly string[] | undefined {
    const { url } = this.#plan;
    const { failure } = this.#output;
    if (this.#denial !== undefined) return [this.#denial];
    if (this.#inputProblem !== undefined) return [`${this.#inputProblem}; ${this.#withdrawn}`];
    if (failure !== undefined && failure.code !== 'EPIPE') return [`the output cannot be written: ${failure.message}; ${this.#withdrawn}`];
    if (this.#refusal !== undefined) return [`the gateway at ${url} refused: ${this.#refusal.status} ${this.#refusal.message}`];
    if (result.status !== 'unknown') return undefined;
    if (result.lost === 'never-sent') return [result.message ?? '', absentHint];
    const run = this.#call.run === undefined ? '' : ` (run ${this.#call.run.id})`;
    return result.lost === 'disconnected' ? [`${result.message}${run}`] : undefined;
  }

  get #withdrawn(): string {
    return this.#plan.onInterrupt === 'cancel' ? 'the run was cancelled' : 'the run goes on';
  }

  #exitCode(result: CallResult): number {
    const { failure } = this.#output;
    if (this.#denial !== undefined) return exitCodes.rejected;
    if (this.#inputProblem !== undefined) return exitCodes.unknown;
    if (failure !== undefined) return failure.code === 'EPIPE' ? exitCodes.brokenPipe : exitCodes.unknown;
    return (this.#plan.exitCode ?? exitCodeOf)(result);
  }
}
