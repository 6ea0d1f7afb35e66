// Why the file system refused, in words, without the path: that is told by whoever knows what it is to the reader.

/** `EACCES: permission denied, open '/srv/x'` becomes `permission denied`. */
export function systemReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /^[A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? message;
}

/** `ENOENT` and so on; undefined when it is no error of the system. */
export function systemCode(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return typeof code === 'string' && typeof syscall === 'string' ? code : undefined;
}
