// Describes disk errors to callers. The error itself goes only to the log.

const textByCode: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would exceed the maximum file size',
  EROFS: 'the file system is read-only',
  EMFILE: 'the gateway has too many files open',
  ENFILE: 'the machine has too many files open',
  SQLITE_FULL: 'no space left on the disk',
};

/** Returns a phrase such as `no space left on the disk` for an error of the file system or SQLite. */
export function storageErrorText(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return (typeof code === 'string' ? textByCode[code] : undefined) ?? 'the disk rejected the write';
}
