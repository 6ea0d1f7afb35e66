// Why something could not be stored, in words for the caller; the error itself is for the log.

const words: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than files may be here',
  EROFS: 'the file system is read-only',
  EMFILE: 'the gateway has too many files open',
  ENFILE: 'the machine has too many files open',
  SQLITE_FULL: 'no space left on the disk',
};

/** A phrase such as `no space left on the disk`, for an error of the file system or of SQLite. */
export function storageFailure(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return (typeof code === 'string' ? words[code] : undefined) ?? 'the disk refused it';
}
