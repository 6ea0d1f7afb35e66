// Who owns what is put into a container: the user its commands run as, as numbers.

/** Both 0: root. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export const root: Owner = { uid: 0, gid: 0 };

/**
 * `user` as in `User` of a container: `[name|uid][:[name|gid]]`; empty is root. `read` gives a file of the container, or undefined when it has none.
 * Undefined when the container does not know that user or group: then it cannot be started either.
 * Source: runc libcontainer, "user.GetExecUser": a number need not be in the files, a name must.
 */
export async function ownerOf(user: string, read: (path: string) => Promise<string | undefined>): Promise<Owner | undefined> {
  const [name = '', group = ''] = user.split(':', 2);
  if (name === '' && group === '') return root;
  const own = name === '' ? root : (isNumber(name) && (group !== '' ? { uid: Number(name), gid: 0 } : undefined)) || entryOf(await read('/etc/passwd'), name);
  const known = own ?? (isNumber(name) ? { uid: Number(name), gid: 0 } : undefined);
  if (known === undefined || group === '') return known;
  const gid = isNumber(group) ? Number(group) : groupOf(await read('/etc/group'), group);
  return gid === undefined ? undefined : { uid: known.uid, gid };
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

/** By name, or by number: then its group is wanted. */
function entryOf(passwd: string | undefined, wanted: string): Owner | undefined {
  for (const [name, , uid = '', gid = ''] of linesOf(passwd)) {
    if ((name === wanted || uid === wanted) && isNumber(uid) && isNumber(gid)) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function groupOf(groups: string | undefined, wanted: string): number | undefined {
  for (const [name, , gid = ''] of linesOf(groups)) if (name === wanted && isNumber(gid)) return Number(gid);
  return undefined;
}

function linesOf(file: string | undefined): string[][] {
  return (file ?? '').split('\n').map((line) => line.split(':'));
}
