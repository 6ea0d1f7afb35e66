// A look at all processes of the machine, shared by everybody who wants one at that moment.

import { marksIn } from './environment.ts';
import { readEnvironment, readProcesses, readStandardFilesLater } from './proc.ts';
import type { Seen } from './proc.ts';

/** What ties a process to a run when neither its parents nor its group do. */
export interface Ties {
  readonly run?: string;
  readonly id?: string;
  /** Pipes it has as standard input, output or error. */
  readonly files: readonly string[];
}

export interface Survey {
  readonly processes: ReadonlyMap<number, Seen>;
  /** Read once per survey and process, and only when asked for. */
  ties(pid: number): Promise<Ties>;
}

/** Gives the surveyor: every survey begins after it was asked for, and those who ask while one is under way share the next. */
export function createSurveyor(): () => Promise<Survey> {
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<Survey> | undefined;
  return () => (next ??= current.then(async () => {
    next = undefined;
    const survey = takeSurvey();
    current = survey.catch(() => {});
    return survey;
  }));
}

async function takeSurvey(): Promise<Survey> {
  const processes = await readProcesses();
  const known = new Map<number, Promise<Ties>>();
  return {
    processes,
    ties(pid) {
      const ties = known.get(pid) ?? readTies(pid);
      known.set(pid, ties);
      return ties;
    },
  };
}

async function readTies(pid: number): Promise<Ties> {
  const [environment, files] = await Promise.all([readEnvironment(pid), readStandardFilesLater(pid)]);
  return { ...marksIn(environment), files };
}
