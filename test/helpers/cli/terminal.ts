// A terminal with a shell in which a test runs the command as a user does.

import type { IPty } from 'node-pty';
import { spawn } from 'node-pty';
import { cliPath } from './run-cli.ts';

export interface TerminalOptions {
  /** `$2`, `$3`, … of the script. */
  readonly args?: readonly string[];
  /** Address of the gateway. */
  readonly url: string;
}

/** Runs a bash script at a new terminal of 90 x 20. `"$0" "$1"` in the script is the command. */
export function openTerminal(script: string, { args = [], url }: TerminalOptions): Terminal {
  return open(['-c', script, process.execPath, cliPath, ...args], url);
}

/** Opens an interactive shell, with the prompt `local> ` and the command as the function `distillery`. */
export function openShell(url: string): Terminal {
  const terminal = open(['--norc', '--noprofile', '-i'], url);
  terminal.type(`distillery() { '${process.execPath}' '${cliPath}' "$@"; }; PS1='lo''cal> '\r`);
  return terminal;
}

function open(args: readonly string[], url: string): Terminal {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', DISTILLERY_URL: url, TERM: 'xterm' };
  return new Terminal(spawn('bash', [...args], { cols: 90, rows: 20, env }));
}

/** A pseudo-terminal that the test types into and reads from, in place of a user. */
export class Terminal {
  readonly #pty: IPty;
  #text = '';
  #changed: () => void = () => {};
  #ended = false;

  constructor(pty: IPty) {
    this.#pty = pty;
    pty.onData((data) => {
      this.#text += data;
      this.#changed();
    });
    pty.onExit(() => {
      this.#ended = true;
      this.#changed();
    });
  }

  /** Everything that the terminal has shown. */
  get text(): string {
    return this.#text;
  }

  get pid(): number {
    return this.#pty.pid;
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  resize(cols: number, rows: number): void {
    this.#pty.resize(cols, rows);
  }

  kill(): void {
    if (!this.#ended) this.#pty.kill('SIGKILL');
  }

  /** Forgets what was shown, so that `waitFor` sees only what follows. */
  clear(): void {
    this.#text = '';
  }

  /** Resolves when the screen has shown a match. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) return match;
      if (this.#ended || performance.now() > deadline)
        throw new Error(`it did not say ${pattern}: ${JSON.stringify(this.#text)}`);
      await this.#change(deadline - performance.now());
    }
  }

  async #change(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
      timer = setTimeout(resolve, ms + 1);
    });
    clearTimeout(timer);
  }
}
