// The open inputs of processes this gateway runs, so that ending one can begin with ending its input, and so that it can be told who waits for it.
// After a crash there are none: the pipes died with the gateway, and that ended the input.

export interface OpenInput {
  /** Tells the process that there is no more input; must not throw. */
  end(): void;
  /** Of the process that was started with it. */
  readonly pid: number;
  /** Its reading end as /proc shows it: `socket:[123]`, or `/dev/pts/3`. */
  readonly file: string;
}

export interface Inputs {
  /** Returns what forgets it. */
  opened(run: string, id: string, input: OpenInput): () => void;
  /** Ends the input of that process, if it is open here. Safe twice. */
  end(run: string, id: string): void;
  /** Those of a run that are open now. */
  of(run: string): readonly OpenInput[];
}

export function createInputs(): Inputs {
  const open = new Map<string, Map<string, OpenInput>>();
  return {
    opened(run, id, input) {
      const known = open.get(run) ?? new Map<string, OpenInput>();
      open.set(run, known.set(id, input));
      return () => {
        known.delete(id);
        if (known.size === 0) open.delete(run);
      };
    },
    end: (run, id) => open.get(run)?.get(id)?.end(),
    of: (run) => [...open.get(run)?.values() ?? []],
  };
}
