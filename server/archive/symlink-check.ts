// Determines where symbolic links lead, before they are created.

export interface SymbolicLink {
  readonly target: string;
  /** Folder that the link must not leave; empty for the folder that all paths are relative to. */
  readonly within: string;
}

/** Links by path. Paths are relative to one folder, without `.` and `..`. A path that is missing here is no link. */
export type SymbolicLinks = Map<string, SymbolicLink>;

/** Maximum number of path parts followed for one link. */
const stepsMax = 256;
/** Maximum number of links followed, as in the kernel. */
const followedMax = 40;

/**
 * Returns true if following `link`, located at `path`, leaves `link.within` at any step, or takes too many steps to
 * decide. A dangling or circular link does not leave it.
 */
export function escapesRoot(links: SymbolicLinks, path: string, link: SymbolicLink): boolean {
  const top = link.within === '' ? 0 : link.within.split('/').length;
  let current = path.split('/').slice(0, -1);
  if (current.length < top) return true;
  let remaining = pathSteps(link.target);
  let linksFollowed = 1;
  for (let steps = 0; remaining.length > 0; steps++) {
    const [step, ...rest] = remaining;
    if (step === '' || steps === stepsMax || rest.length >= stepsMax) return true;
    remaining = rest;
    if (step === '..') {
      if (current.length <= top) return true;
      current = current.slice(0, -1);
      continue;
    }
    const next = [...current, step!];
    const nextLink = links.get(next.join('/'));
    if (nextLink === undefined) current = next;
    else if (++linksFollowed > followedMax) return false;
    else remaining = [...pathSteps(nextLink.target), ...remaining];
  }
  return false;
}

/** Splits the target of a link into steps. An empty first step stands for the root of the machine, which is outside. */
function pathSteps(target: string): readonly string[] {
  const steps = target.split('/').filter((part) => part !== '' && part !== '.');
  return target.startsWith('/') ? ['', ...steps] : steps;
}
