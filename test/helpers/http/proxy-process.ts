// Starts nginx or Caddy as installed on this machine, with the recipe of docs/operations.md.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { createAuthority } from '../cli/test-certificates.ts';
import { freePort } from '../free-port.ts';
import { waitUntil } from '../wait-until.ts';

/** The host name in the document. */
export const proxyHost = 'gateway.example.org';
export const login = { user: 'ada', password: 'secret' } as const;
/** bcrypt hash of the password, with the lowest cost. */
const passwordHash = '$2b$04$HOgJLAUN2BuA/ntphaqRU.lxVSrVhXDaoR5KPGF3Ff8okILfCPrbO';

export interface ReverseProxy {
  readonly port: number;
  /** Ends the proxy and removes its folder. */
  stop(): Promise<void>;
}

/** Returns the first block of this language below "Behind a reverse proxy". */
export function readRecipe(language: 'yaml' | 'nginx' | 'caddy'): string {
  const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith('Behind a reverse proxy\n')) ?? '';
  const [, recipe] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(section) ?? [];
  if (recipe === undefined) throw new Error(`docs/operations.md has no recipe for ${language}`);
  return recipe;
}

/** Starts nginx with the recipe in a server that ends TLS. */
export async function startNginx(gateway: string): Promise<ReverseProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'));
  const { sign } = await createAuthority(folder);
  const { key, cert } = await sign({ names: `DNS:${proxyHost}`, days: 1 });
  const port = await freePort();
  const recipe = replaceOnce(readRecipe('nginx'), [
    ['http://127.0.0.1:8080', gateway],
    ['/etc/nginx/gateway.htpasswd', join(folder, 'htpasswd')],
  ]);
  await writeFiles(folder, {
    key,
    cert,
    htpasswd: `${login.user}:{PLAIN}${login.password}\n`,
    // If root starts nginx, the workers need `user root`: as another user they could not read root's folder.
    'nginx.conf': `
      daemon off;
      ${process.getuid?.() === 0 ? 'user root;' : ''}
      worker_processes 1;
      pid nginx.pid;
      error_log stderr;
      events {}
      http {
        access_log off;
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${kind};`).join(' ')}
        server {
          listen 127.0.0.1:${port} ssl;
          server_name ${proxyHost};
          ssl_certificate cert;
          ssl_certificate_key key;
          ${recipe}
        }
      }`,
  });
  return start(['nginx', '-e', 'stderr', '-p', folder, '-c', 'nginx.conf'], { folder, port });
}

/** Starts Caddy with the recipe and an authority of its own. */
export async function startCaddy(gateway: string): Promise<ReverseProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'caddy-'));
  const port = await freePort();
  const recipe = replaceOnce(readRecipe('caddy'), [
    [`${proxyHost} {`, `${proxyHost}:${port} {`],
    ['127.0.0.1:8080', gateway.replace('http://', '')],
    [/\$2a\$\S+/.exec(readRecipe('caddy'))![0], passwordHash],
  ]);
  const options = ['admin off', 'local_certs', 'skip_install_trust', 'auto_https disable_redirects'];
  await writeFiles(folder, { Caddyfile: `{\n${options.join('\n')}\n}\n${recipe}` });
  return start(['caddy', 'run', '--config', 'Caddyfile'], { folder, port });
}

async function start(
  [command, ...args]: readonly string[],
  { folder, port }: { readonly folder: string; readonly port: number },
): Promise<ReverseProxy> {
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin`, HOME: folder };
  for (const name of ['XDG_CONFIG_HOME', 'XDG_DATA_HOME']) Object.assign(env, { [name]: folder });
  const child = spawn(command!, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const ended = once(child, 'close');
  const proxy = {
    port,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await waitUntil(`${command} listens`, async () => {
      if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}: ${output}`);
      return accepts(port);
    });
    return proxy;
  } catch (error) {
    await proxy.stop();
    throw error;
  }
}

/** Returns true if a TLS handshake succeeds. Caddy listens before it has its certificate. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', servername: proxyHost, rejectUnauthorized: false });
    socket.on('secureConnect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
  });
}

/** Replaces each of the texts in the recipe. Throws if the recipe lacks one of them. */
function replaceOnce(recipe: string, replacements: readonly (readonly [string, string])[]): string {
  return replacements.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the recipe lacks "${from}"`);
    return text.replace(from, () => to);
  }, recipe);
}

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}
