// Runs a call at the command line, or attaches to a run: output to stdout, status to stderr, stdin to the run, signals
// to cancel.

import { setTimeout as pause } from 'node:timers/promises';
import type {
  ClientResult,
  ConnectionItem,
  ConnectionOptions,
  Item,
  OpenCall,
} from '../../../protocol/client/client.ts';
import { endpoint } from '../../../protocol/client/client.ts';
import type { GapMessage, NoticeCode, RunAnnouncement, TerminalSize } from '../../../protocol/messages.ts';
import type { Stdio } from '../backend.ts';
import type { Painter } from '../colors.ts';
import { hasColour, painter } from '../colors.ts';
import { exitCodeForResult, exitCodes } from '../exit-codes.ts';
import type { GatewayAddress } from '../gateway/address.ts';
import { describeConnectError, describeResponse, type HttpAnswer } from '../gateway/connect-errors.ts';
import { createSocketClass } from '../gateway/gateway-socket.ts';
import { onInterrupts, sameKeystrokeMs } from '../interrupts.ts';
import { forwardBytes, forwardChunks, forwardLines } from './input.ts';
import { LineTooLong } from './input-lines.ts';
import { OutputWriter } from './output.ts';
import { createPartialLineView } from './partial-line.ts';
import { discardTypedKeys, enterRawMode, onResize, terminalSize } from './raw-terminal.ts';
import { openResultFile, type ResultFile } from './result-file.ts';
import { ServiceFilter } from './service-filter.ts';
import { describeGap, printable, printError } from './status.ts';
import { TerminalKeys, takeBackKeyName } from './terminal-keys.ts';
import { plainView, type View } from './view.ts';

export interface RunSessionOptions {
  readonly address: GatewayAddress;
  readonly open: (link: ConnectionOptions, screen: TerminalSize | undefined) => OpenCall;
  /** Where the output of the run goes. */
  readonly output: 'stdout' | 'nowhere';
  /**
   * `ended`: the run gets no input. `untouched`: this command neither sends nor ends the input. A function sends the
   * input itself; if it rejects, the message is printed and the run is cancelled or detached.
   */
  readonly input: 'stdin' | 'ended' | 'untouched' | ((call: OpenCall) => Promise<void>);
  /** Default: lines unchanged; at a terminal, also the beginning of an unfinished line. */
  readonly view?: View;
  /** Replaces the view as soon as an event shows that the run is a pipeline. */
  readonly pipelineView?: () => View;
  /** True to also show the lines of services. */
  readonly services?: boolean;
  /** Effect of Ctrl-C, and of a closed stdout. */
  readonly onInterrupt: 'cancel' | 'detach';
  /** What happens to the run after a detach. Default: the run continues. */
  readonly detachedNote?: string;
  readonly quiet: boolean;
  /** False: a lost connection ends the command. */
  readonly reconnect: boolean;
  /** Called once, when the gateway has announced the run. */
  readonly onRun?: (call: OpenCall) => void;
  /** File for the result as JSON; `-` is stderr. */
  readonly resultFile?: string;
  /** Returns an error text for a notice of this code; the command then detaches and fails. Undefined: it continues. */
  readonly errorForNotice?: (notice: NoticeCode) => string | undefined;
  /** True for items whose status was shown before the run, so that it is not shown again. */
  readonly wasShown?: (item: Item) => boolean;
  /** Replaces the exit code that reports the outcome. */
  readonly exitCode?: (result: ClientResult) => number;
}

const pingMs = 20_000;
const newline = 0x0a;
const interruptHints = { cancel: 'Ctrl-C again skips the grace', detach: 'Ctrl-C again exits without waiting' };

/** What the user of a terminal in raw mode can do after a notice. */
const keyHints: { readonly [code in NoticeCode]?: string } = {
  'input-taken': `; keys are discarded. Ctrl-C leaves the run, ${takeBackKeyName} takes the input back`,
  'read-only': '; keys are discarded. Ctrl-C leaves the run',
  'detach-refused': '; Ctrl-C again cancels the run',
};

/** Resolves with the exit code. Opens nothing if the file for the result cannot be written. */
export async function runSession(options: RunSessionOptions, stdio: Stdio): Promise<number> {
  const resultFile = await openResultFile(options.resultFile, stdio);
  if (!('error' in resultFile)) return new RunSession(options, stdio, resultFile).run();
  printError([resultFile.error], stdio);
  return exitCodes.unknown;
}

class RunSession {
  readonly #options: RunSessionOptions;
  readonly #stdio: Stdio;
  readonly #resultFile: ResultFile;
  readonly #paint: Painter;
  readonly #output: OutputWriter;
  readonly #services: ServiceFilter;
  readonly #call: OpenCall;
  readonly #cleanups: (() => void)[] = [];
  #rejection: HttpAnswer | undefined;
  #connectError: Error | undefined;
  #inputError: string | undefined;
  #errorOutput: OutputWriter | undefined;
  /** How often the user has typed Ctrl-C since the run stopped receiving keys. */
  #leaveRequests = 0;
  /** Code of a notice, received before raw mode, that this session does not have the input of the run. */
  #lostInput: 'input-taken' | 'read-only' | undefined;
  #disconnected = false;
  #deniedReason: string | undefined;
  #announced = false;
  #hasPipelineView = false;
  #view: View;
  /** Present while the terminal is in raw mode. */
  #keys: TerminalKeys | undefined;
  /** False if the output has left the cursor within a line of the terminal. */
  #atLineStart = true;

  constructor(options: RunSessionOptions, stdio: Stdio, resultFile: ResultFile) {
    this.#options = options;
    this.#stdio = stdio;
    this.#resultFile = resultFile;
    this.#paint = painter(hasColour(stdio.stderr, stdio.env));
    this.#output = new OutputWriter(stdio.stdout, () => this.#cancelOrDetach());
    this.#services = new ServiceFilter(options.services === true);
    this.#view = options.view ?? this.#defaultView();
    // Status lines are optional, so ignore a closed stderr.
    stdio.stderr.on('error', () => {});
    const size = this.#screen === undefined ? undefined : terminalSize(this.#screen);
    this.#call = options.open(
      {
        url: endpoint(options.address.url),
        socket: createSocketClass(options.address, {
          pingMs,
          onRejected: (rejection) => {
            this.#rejection = rejection;
          },
          onError: (error) => {
            this.#connectError = error;
          },
        }),
        bytes: true,
        onItem: (item) => this.#onItem(item),
        ...(!options.reconnect && { reconnect: false }),
      },
      size,
    );
  }

  async run(): Promise<number> {
    this.#cleanups.push(onInterrupts(['SIGINT', 'SIGTERM', 'SIGHUP'], (count) => this.#onInterrupt(count)));
    try {
      const result = await this.#call.result;
      this.#view.end?.();
      const last = this.#view.footer?.(result);
      if (last !== undefined) void this.#output.write(last);
      await this.#output.end();
      this.#restoreTerminal();
      await this.#report(result);
      const writeError = await this.#resultFile.write(result);
      if (writeError === undefined) return this.#exitCode(result);
      this.#printError([writeError]);
      return exitCodes.unknown;
    } finally {
      this.#restoreTerminal();
    }
  }

  /** The stream whose terminal shows the output. */
  get #screen(): NodeJS.WriteStream | undefined {
    return [this.#stdio.stdout, this.#stdio.stderr].find((stream) => stream.isTTY);
  }

  #defaultView(): View {
    const { stdout, stderr } = this.#stdio;
    if (!stdout.isTTY || this.#options.output !== 'stdout') return plainView;
    const write = (text: string): void => {
      void this.#output.write(text);
      this.#output.flush();
    };
    return createPartialLineView({ output: { write }, status: stderr, shared: stderr.isTTY });
  }

  /** Switches to the view of pipelines at the first event of a pipeline. */
  #choosePipelineView(item: Item): void {
    const { pipelineView } = this.#options;
    if (pipelineView === undefined || this.#hasPipelineView || !('event' in item)) return;
    const { type, job } = item.event;
    if (type !== 'pipeline-planned' && !(type === 'stream' && job !== undefined)) return;
    this.#hasPipelineView = true;
    this.#view = pipelineView();
  }

  #onItem(item: Item): void | Promise<void> {
    if ('bytes' in item) return this.#writeBytes(item);
    this.#choosePipelineView(item);
    if ('event' in item) this.#services.onEvent(item.event);
    // After a gap, lines belong to the run itself until an event names a source.
    if ('gap' in item) this.#services.onEvent({ type: 'stream' });
    if ('line' in item && this.#services.hides(item.line)) return undefined;
    const output = this.#view.output(item);
    const printing = output === undefined ? undefined : this.#writeOutput(output);
    if ('line' in item || 'chunk' in item) return printing;
    if ('run' in item && !this.#announced) this.#onAccepted(item.run);
    if ('connection' in item) this.#onConnection(item);
    if ('notice' in item) this.#onNotice(item.notice.code);
    if ('run' in item && item.run.input === true) this.#onInputGranted();
    if ('gap' in item) return this.#printGap(item);
    const status = this.#describe(item);
    if (status !== undefined) this.#printStatus(this.#paint('dim', status));
    return printing;
  }

  /**
   * Returns the status to print. In raw mode, the screen belongs to the program: only changes that affect the keys are
   * printed.
   */
  #describe(item: Item): string | undefined {
    const status = this.#options.wasShown?.(item) === true ? undefined : this.#view.status(item);
    if (status === undefined) return status;
    if (this.#keys === undefined) return `${status}${this.#lineHint(item)}`;
    if ('notice' in item) return `${status}${keyHints[item.notice.code] ?? ''}`;
    if (!('connection' in item)) return undefined;
    return item.connection === 'lost' ? `${status}; Ctrl-C exits` : status;
  }

  /** Returns what the user can do when a terminal that sends lines has lost the input of the run. */
  #lineHint(item: Item): string {
    if (!('notice' in item) || item.notice.code !== 'input-taken' || !this.#stdio.stdin.isTTY) return '';
    const command = `distillery attach --input ${this.#call.id}`;
    return `; typed lines are discarded. "${command}" takes the input back`;
  }

  #onConnection({ connection }: ConnectionItem): void {
    // The client has reconnected or will try again, so an earlier rejection no longer counts.
    this.#rejection = undefined;
    this.#disconnected = connection === 'lost';
    if (this.#keys === undefined || this.#keys.target === 'taken') return;
    this.#keys.target = this.#disconnected ? 'disconnected' : 'sent';
  }

  #onInputGranted(): void {
    if (this.#keys?.target !== 'taken') return;
    this.#keys.target = 'sent';
    this.#leaveRequests = 0;
    this.#printStatus('this terminal has the input of the run again');
  }

  /** Prints through a live view, if there is one, because the view must redraw its rows. */
  #printGap(item: GapMessage): void {
    if (this.#keys !== undefined) this.#printRaw(printable(describeGap(item)));
    else if (this.#view.printStatus === undefined) this.#printError([describeGap(item)]);
    else this.#view.printStatus(printable(describeGap(item)));
  }

  #onNotice(code: NoticeCode): void {
    this.#deniedReason = this.#options.errorForNotice?.(code);
    if (this.#deniedReason !== undefined) this.#call.detach();
    if (code !== 'input-taken' && code !== 'read-only') return;
    if (this.#keys === undefined) this.#lostInput = code;
    else this.#keys.target = 'taken';
  }

  #writeOutput(text: string): void | Promise<void> {
    if (this.#options.output !== 'stdout') return;
    if (text !== '') this.#atLineStart = text.endsWith('\n');
    return this.#output.write(text);
  }

  /** Writes stdout to stdout and stderr to stderr, because nothing else distinguishes the bytes of the two. */
  #writeBytes({ bytes, stream }: Extract<Item, { readonly bytes: unknown }>): void | Promise<void> {
    if (this.#options.output !== 'stdout') return;
    if (bytes.length > 0) this.#atLineStart = bytes.at(-1) === newline;
    if (stream === 'stdout') return this.#output.writeBytes(bytes);
    this.#errorOutput ??= new OutputWriter(this.#stdio.stderr, () => {});
    return this.#errorOutput.writeBytes(bytes);
  }

  #onAccepted(run: RunAnnouncement['run']): void {
    this.#announced = true;
    this.#forwardInput(run);
    this.#options.onRun?.(this.#call);
  }

  /** Reads input only after the run is accepted, so that a rejected call consumes none of it. */
  #forwardInput({ terminal, bytes = [] }: RunAnnouncement['run']): void {
    const { stdin } = this.#stdio;
    const { input } = this.#options;
    if (input === 'ended') this.#call.end();
    if (typeof input === 'function') input(this.#call).catch((error: Error) => this.#onInputSourceError(error));
    if (input !== 'stdin') return;
    if (terminal && stdin.isTTY) return this.#enterRawMode();
    if (stdin.isTTY) this.#cleanups.push(discardTypedKeys);
    const forward = terminal ? forwardChunks : bytes.includes('input') ? forwardBytes : forwardLines;
    forward(stdin, this.#call).catch((error: unknown) => this.#onStdinError(error));
  }

  #enterRawMode(): void {
    const { stdin } = this.#stdio;
    this.#cleanups.push(enterRawMode(stdin));
    const keys = new TerminalKeys(stdin, this.#call, {
      onLeave: () => this.#onLeave(),
      onTakeBack: () => this.#call.requestInput(),
    });
    this.#keys = keys;
    if (this.#lostInput !== undefined) {
      keys.target = 'taken';
      this.#printStatus(`the run does not get the input of this terminal${keyHints[this.#lostInput]}`);
    }
    this.#cleanups.push(() => keys.stop());
    if (this.#screen !== undefined) this.#cleanups.push(onResize(this.#screen, (size) => this.#call.resize(size)));
  }

  #restoreTerminal(): void {
    this.#view.end?.();
    if (this.#keys !== undefined && !this.#atLineStart) this.#stdio.stderr.write('\r\n');
    this.#keys = undefined;
    for (const cleanup of this.#cleanups.splice(0).reverse()) cleanup();
  }

  /** Handles Ctrl-C while the run receives no keys. Exits if there is no connection over which to send a request. */
  #onLeave(): void {
    if (this.#disconnected) return this.#exitNow();
    this.#leaveRequests += 1;
    if (this.#leaveRequests === 1) return this.#call.detach();
    this.#call.cancel();
    if (this.#leaveRequests > 2) this.#exitNow();
    this.#printStatus('cancelling the run; Ctrl-C again exits without waiting');
  }

  /** A stdin that cannot be read counts as ended. */
  #onStdinError(error: unknown): void {
    if (!(error instanceof LineTooLong)) return this.#call.end();
    this.#inputError = error.message;
    this.#cancelOrDetach();
  }

  #onInputSourceError({ message }: Error): void {
    this.#inputError = message;
    this.#cancelOrDetach();
  }

  #onInterrupt(count: number): void {
    const { onInterrupt } = this.#options;
    if (count > (onInterrupt === 'cancel' ? 2 : 1)) this.#exitNow();
    this.#cancelOrDetach();
    const progressText = onInterrupt === 'cancel' ? 'cancelling' : 'detaching';
    if (count === 1)
      void pause(sameKeystrokeMs, undefined, { ref: false }).then(() =>
        this.#printStatus(`${progressText}; ${interruptHints[onInterrupt]}`),
      );
    else this.#printStatus('skipping the grace; Ctrl-C again exits without waiting');
  }

  /** Cancels the run or detaches from it, as the command defines. */
  #cancelOrDetach(): void {
    if (this.#options.onInterrupt === 'cancel') this.#call.cancel();
    else this.#call.detach();
  }

  #exitNow(): never {
    this.#restoreTerminal();
    const { run } = this.#call;
    this.#printStatus(
      run === undefined
        ? 'exited before the run was accepted'
        : `exited without waiting; run "distillery attach ${run.id}" to watch run ${run.id}`,
    );
    process.exit(exitCodes.cancelled);
  }

  #printStatus(line: string): void {
    if (this.#options.quiet || this.#output.failure !== undefined) return;
    this.#output.flush();
    if (this.#keys !== undefined) this.#printRaw(printable(line));
    else if (this.#view.printStatus === undefined) this.#stdio.stderr.write(`${printable(line)}\n`);
    else this.#view.printStatus(printable(line));
  }

  /** Prints a status line in raw mode, in which a line feed does not move the cursor to the start of the row. */
  #printRaw(line: string): void {
    this.#stdio.stderr.write(`${this.#atLineStart ? '\r' : '\r\n'}${line}\r\n`);
    this.#atLineStart = true;
  }

  /** Prints even with --quiet: otherwise a failure of this command would look like a failure of the run. */
  #printError(lines: readonly string[]): void {
    printError(lines, this.#stdio);
  }

  async #report(result: ClientResult): Promise<void> {
    const errorLines = await this.#errorLines(result);
    if (errorLines !== undefined) this.#printError(errorLines);
    else if (result.status === 'detached') this.#printStatus(this.#detachedText(result));
    else for (const line of this.#view.summary(result, this.#paint)) this.#printStatus(line);
  }

  #detachedText({ next = 1 }: ClientResult): string {
    const { terminal, bytes } = this.#call.run ?? {};
    const unit = terminal === true || bytes?.includes('output') ? 'byte' : 'line';
    const resume = `distillery attach ${this.#call.id} --after ${next - 1}`;
    const { detachedNote = 'the run continues' } = this.#options;
    return `detached after ${unit} ${next - 1}; ${detachedNote}: ${resume}`;
  }

  /** Returns the errors of this command or of the connection; undefined if there are none. */
  async #errorLines(result: ClientResult): Promise<readonly string[] | undefined> {
    const { address } = this.#options;
    const { failure } = this.#output;
    if (this.#deniedReason !== undefined) return [this.#deniedReason];
    if (this.#inputError !== undefined) return [`${this.#inputError}; ${this.#consequence}`];
    if (failure !== undefined && failure.code !== 'EPIPE')
      return [`cannot write the output: ${failure.message}; ${this.#consequence}`];
    if (this.#rejection !== undefined) return (await describeResponse(address, this.#rejection)).lines;
    if (result.status !== 'unknown') return undefined;
    if (result.lost === 'never-sent')
      return describeConnectError(address, this.#connectError ?? new Error(result.message ?? ''));
    const run = this.#call.run === undefined ? '' : ` (run ${this.#call.run.id})`;
    return result.lost === 'disconnected' ? [`${result.message}${run}`] : undefined;
  }

  get #consequence(): string {
    return this.#options.onInterrupt === 'cancel' ? 'the run was cancelled' : 'the run continues';
  }

  #exitCode(result: ClientResult): number {
    const { failure } = this.#output;
    if (this.#deniedReason !== undefined) return exitCodes.rejected;
    if (this.#inputError !== undefined) return exitCodes.unknown;
    if (failure !== undefined) return failure.code === 'EPIPE' ? exitCodes.brokenPipe : exitCodes.unknown;
    return (this.#options.exitCode ?? exitCodeForResult)(result);
  }
}
