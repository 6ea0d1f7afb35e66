// The output file of a container job. It is created in the container before the start and read after the end.

import { pack } from 'tar-stream';
import type { Archive } from '../../../../calls/contract/containers.ts';

/**
 * The file is outside of the working folder, into which files may be copied and from which artifacts may be stored.
 * Every user can write it, because the job may run as any user.
 */
export const outputLocation = {
  folder: '/.distillery',
  file: '/.distillery/output',
  archive: (): Archive => {
    const archive = pack();
    archive.entry({ name: './', type: 'directory', mode: 0o777 });
    archive.entry({ name: 'output', mode: 0o666 }, '');
    archive.finalize();
    return archive as unknown as Archive;
  },
} as const;
