// What can be wrong with the files of an archive, as opposed to with us.

/** `message` is for people: it names the file by its path in the archive or folder, never by a path of this machine. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}
