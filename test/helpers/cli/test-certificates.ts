// A certificate authority for tests, made with openssl, and certificates for servers that the authority signs.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateOptions {
  /** Names and addresses of the server, such as `IP:127.0.0.1`. */
  readonly names: string;
  /** Negative for a certificate that has expired. */
  readonly days: number;
}

export interface TestAuthority {
  /** Path of the certificate of the authority. */
  readonly file: string;
  sign(options: CertificateOptions): Promise<Certificate>;
}

/** Writes all files to `folder`. */
export async function createAuthority(folder: string): Promise<TestAuthority> {
  const ca = join(folder, 'ca.pem');
  const caKey = join(folder, 'ca.key');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', ['req', '-x509', ...newKey, '-keyout', caKey, '-out', ca, '-subj', '/CN=test', '-days', '2']);
  let count = 0;
  return {
    file: ca,
    async sign({ names, days }) {
      const base = join(folder, `server-${(count += 1)}`);
      const [key, request, cert, extensions] = ['key', 'csr', 'pem', 'ext'].map((ending) => `${base}.${ending}`) as [
        string,
        string,
        string,
        string,
      ];
      await run('openssl', ['req', ...newKey, '-keyout', key, '-out', request, '-subj', '/CN=server']);
      await writeFile(extensions, `subjectAltName=${names}\n`);
      const from = ['-in', request, '-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-extfile', extensions];
      await run('openssl', ['x509', '-req', ...from, '-out', cert, '-days', String(days)]);
      return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
    },
  };
}
