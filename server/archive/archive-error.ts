// The error of an invalid archive or an unreadable file, as opposed to a bug.

/** Users see `message`. It names a file by its path in the archive or folder, never by a path of this machine. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}
