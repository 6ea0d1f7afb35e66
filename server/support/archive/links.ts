// Where symbolic links lead, found out before there are any.

export interface Link {
  readonly target: string;
  /** The folder that it may not lead out of, `` for the root of all. */
  readonly within: string;
}

/** The link at each path. Paths are relative to one folder, without `.` and `..`; everything that is not here is no link. */
export type Links = Map<string, Link>;

/** Parts of paths that are looked at for one link. */
const stepsMax = 256;
/** The kernel follows no more. */
const followedMax = 40;

/**
 * True when following `link`, found at `path`, would leave the folder it is to stay within, at any step, or takes too many steps to be sure. One that leads nowhere,
 * or in a circle, does not leave it.
 */
export function leadsOutside(links: Links, path: string, link: Link): boolean {
  const top = link.within === '' ? 0 : link.within.split('/').length;
  let at = path.split('/').slice(0, -1);
  if (at.length < top) return true;
  let ahead = stepsOf(link.target);
  let followed = 1;
  for (let taken = 0; ahead.length > 0; taken++) {
    const [step, ...rest] = ahead;
    if (step === '' || taken === stepsMax || rest.length >= stepsMax) return true;
    ahead = rest;
    if (step === '..') {
      if (at.length <= top) return true;
      at = at.slice(0, -1);
      continue;
    }
    const next = [...at, step!];
    const through = links.get(next.join('/'));
    if (through === undefined) at = next;
    else if (++followed > followedMax) return false;
    else ahead = [...stepsOf(through.target), ...ahead];
  }
  return false;
}

/** An empty one is the root of the machine, which is outside. */
function stepsOf(target: string): readonly string[] {
  const steps = target.split('/').filter((part) => part !== '' && part !== '.');
  return target.startsWith('/') ? ['', ...steps] : steps;
}
