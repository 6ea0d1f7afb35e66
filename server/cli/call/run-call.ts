// One call from the command line: output to stdout, status to stderr, stdin to the run, signals to cancels, and an exit code.

import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { endpoint, openCall } from '../../../protocol/client.ts';
import type { CallResult, Item, OpenCall } from '../../../protocol/client.ts';
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
import { describeItem, describeResult, printable } from './status.ts';

export interface CallRequest {
  readonly call: string;
  readonly params: readonly string[];
  /** Address of the gateway. */
  readonly url: string;
  readonly quiet: boolean;
  /** False: the run gets no input at all. */
  readonly stdin: boolean;
  /** Where the result goes as JSON; `-` is stderr. */
  readonly resultFile?: string;
}

const pingMs = 20_000;
const keys = 'Ctrl-C again skips the grace';

/** Resolves with the exit code. */
export function runCall(request: CallRequest, ends: Ends): Promise<number> {
  return new CallAtTerminal(request, ends).finish();
}

class CallAtTerminal {
  readonly #request: CallRequest;
  readonly #ends: Ends;
  readonly #paint: Painter;
  readonly #output: Output;
  readonly #call: OpenCall;
  readonly #undo: (() => void)[] = [];
  #refusal: Refusal | undefined;
  #inputProblem: string | undefined;
  #forwarding = false;
  #raw = false;

  constructor(request: CallRequest, ends: Ends) {
    this.#request = request;
    this.#ends = ends;
    this.#paint = painter(hasColour(ends.stderr, ends.env));
    this.#output = new Output(ends.stdout, () => this.#call.cancel());
    // Status is a courtesy: nobody reading it is no reason to stop.
    ends.stderr.on('error', () => {});
    const size = this.#screen === undefined ? undefined : sizeOf(this.#screen);
    this.#call = openCall({
      url: endpoint(request.url), call: request.call, params: request.params,
      socket: gatewaySocket({ pingMs, onRefusal: (refusal) => { this.#refusal = refusal; } }),
      ...(size !== undefined && { terminal: size }),
      onItem: (item) => this.#take(item),
    });
  }

  async finish(): Promise<number> {
    this.#undo.push(onInterrupts(['SIGINT', 'SIGTERM', 'SIGHUP'], (count) => this.#interrupted(count)));
    try {
      const result = await this.#call.result;
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

  #take(item: Item): void | Promise<void> {
    if ('line' in item) return this.#output.write(`${item.line}\n`);
    if ('chunk' in item) return this.#output.write(item.chunk);
    if ('run' in item && !this.#forwarding) this.#forward(item.run.terminal === true);
    const status = describeItem(item);
    if (status !== undefined) this.#say(this.#paint('dim', status));
  }

  /** Input is read from the moment the run is accepted: what nobody takes stays where it is. */
  #forward(terminal: boolean): void {
    this.#forwarding = true;
    const { stdin } = this.#ends;
    if (!this.#request.stdin) return this.#call.end();
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
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  /** A stdin that cannot be read is at its end. */
  #inputFailed(error: unknown): void {
    if (!(error instanceof LineTooLong)) return this.#call.end();
    this.#inputProblem = error.message;
    this.#call.cancel();
  }

  #interrupted(count: number): void {
    if (count > 2) this.#leaveAtOnce();
    this.#call.cancel();
    if (count === 1) void pause(sameKeystrokeMs, undefined, { ref: false }).then(() => this.#say(`cancelling; ${keys}`));
    else this.#say('skipping the grace; Ctrl-C again leaves without waiting');
  }

  #leaveAtOnce(): never {
    this.#leaveTerminal();
    const { run } = this.#call;
    this.#say(run === undefined ? 'left before the run was accepted' : `left without waiting; run ${run.id} may still be ending`);
    process.exit(exitCodes.cancelled);
  }

  #say(line: string): void {
    if (!this.#request.quiet && !this.#raw && this.#output.failure === undefined) this.#ends.stderr.write(`${printable(line)}\n`);
  }

  /** Said in spite of --quiet: without it nobody would know that this command, and not the work, has a problem. */
  #complain(lines: readonly string[]): void {
    this.#ends.stderr.write(`distillery: ${lines.map(printable).join('\n')}\n`);
  }

  async #report(result: CallResult): Promise<void> {
    const problem = this.#problem(result);
    if (problem !== undefined) this.#complain(problem);
    else for (const line of describeResult(result, this.#paint)) this.#say(line);
    const { resultFile } = this.#request;
    if (resultFile === undefined) return;
    const json = `${JSON.stringify(result)}\n`;
    if (resultFile === '-') this.#ends.stderr.write(json);
    else await writeFile(resultFile, json);
  }

  /** What went wrong on this side of the wire, if anything did. */
  #problem(result: CallResult): readonly string[] | undefined {
    const { url } = this.#request;
    const { failure } = this.#output;
    if (this.#inputProblem !== undefined) return [`${this.#inputProblem}; the run was cancelled`];
    if (failure !== undefined && failure.code !== 'EPIPE') return [`the output cannot be written: ${failure.message}; the run was cancelled`];
    if (this.#refusal !== undefined) return [`the gateway at ${url} refused: ${this.#refusal.status} ${this.#refusal.message}`];
    if (result.status !== 'unknown') return undefined;
    if (result.lost === 'never-sent') return [result.message ?? '', 'Is the gateway running? "distillery serve" starts it; --url says where it is.'];
    const run = this.#call.run === undefined ? '' : ` (run ${this.#call.run.id})`;
    return result.lost === 'disconnected' ? [`${result.message}${run}`] : undefined;
  }

  #exitCode(result: CallResult): number {
    const { failure } = this.#output;
    if (this.#inputProblem !== undefined) return exitCodes.unknown;
    if (failure !== undefined) return failure.code === 'EPIPE' ? exitCodes.brokenPipe : exitCodes.unknown;
    return exitCodeOf(result);
  }
}
