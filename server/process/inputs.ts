// The open inputs of processes this gateway runs, so that ending one can begin with ending its input.
// After a crash there are none: the pipes died with the gateway, and that ended the input.

export interface Inputs {
  /** `end` tells the process that there is no more input; it must not throw. Returns what forgets it. */
  opened(run: string, id: string, end: () => void): () => void;
  /** Ends the input of that process, if it is open here. Safe twice. */
  end(run: string, id: string): void;
}

export function createInputs(): Inputs {
  const open = new Map<string, () => void>();
  return {
    opened(run, id, end) {
      open.set(`${run} ${id}`, end);
      return () => { open.delete(`${run} ${id}`); };
    },
    end: (run, id) => open.get(`${run} ${id}`)?.(),
  };
}
