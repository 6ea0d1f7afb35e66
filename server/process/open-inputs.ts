// Registry of the open stdin handles of running processes. A release closes the input first, and the idle monitor
// checks which process waits for input.
//
// The registry is empty after a crash: the pipes closed with the gateway, which ended the input.

export interface OpenInput {
  /** Ends the input of the process. Must not throw. */
  end(): void;
  /** Pid of the process that received this input. */
  readonly pid: number;
  /** The end that the process reads, as /proc shows it: `socket:[123]` or `/dev/pts/3`. */
  readonly file: string;
}

export interface OpenInputs {
  /** Registers an input. Returns a function that removes it again. */
  add(run: string, id: string, input: OpenInput): () => void;
  /** Ends the input of the process with the obligation `id`, if it is open. Idempotent. */
  end(run: string, id: string): void;
  /** Returns the open inputs of a run. */
  listInputs(run: string): readonly OpenInput[];
}

export function createOpenInputs(): OpenInputs {
  const open = new Map<string, Map<string, OpenInput>>();
  return {
    add(run, id, input) {
      const known = open.get(run) ?? new Map<string, OpenInput>();
      open.set(run, known.set(id, input));
      return () => {
        known.delete(id);
        if (known.size === 0) open.delete(run);
      };
    },
    end: (run, id) => open.get(run)?.get(id)?.end(),
    listInputs: (run) => [...(open.get(run)?.values() ?? [])],
  };
}
