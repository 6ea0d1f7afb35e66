// Resolves the user of a container to numbers. That user owns the files copied into the container.

/** Numeric user and group; both are 0 for root. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

export const rootUser: UserIds = { uid: 0, gid: 0 };

/**
 * Looks up `user`, which has the form `[name|uid][:[name|gid]]`; empty means root. `read` returns a file of the
 * container, or undefined if the file is missing.
 *
 * Returns undefined for an unknown user or group; the container cannot be started then.
 *
 * Source: runc libcontainer, "user.GetExecUser": names must be in the files, numbers need not be.
 */
export async function lookUpUser(
  user: string,
  read: (path: string) => Promise<string | undefined>,
): Promise<UserIds | undefined> {
  const [name = '', group = ''] = user.split(':', 2);
  if (name === '' && group === '') return rootUser;
  const found =
    name === ''
      ? rootUser
      : (isNumber(name) && (group !== '' ? { uid: Number(name), gid: 0 } : undefined)) ||
        findUser(await read('/etc/passwd'), name);
  const ids = found ?? (isNumber(name) ? { uid: Number(name), gid: 0 } : undefined);
  if (ids === undefined || group === '') return ids;
  const gid = isNumber(group) ? Number(group) : findGroup(await read('/etc/group'), group);
  return gid === undefined ? undefined : { uid: ids.uid, gid };
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

/** Finds the entry of a user by name or number. The entry also contains the primary group. */
function findUser(passwd: string | undefined, nameOrId: string): UserIds | undefined {
  for (const [name, , uid = '', gid = ''] of parseLines(passwd)) {
    if ((name === nameOrId || uid === nameOrId) && isNumber(uid) && isNumber(gid))
      return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function findGroup(groups: string | undefined, nameOrId: string): number | undefined {
  for (const [name, , gid = ''] of parseLines(groups)) if (name === nameOrId && isNumber(gid)) return Number(gid);
  return undefined;
}

function parseLines(file: string | undefined): string[][] {
  return (file ?? '').split('\n').map((line) => line.split(':'));
}
