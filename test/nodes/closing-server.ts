// Runs every command that connects to a gateway, with one version of Node, against a server that closes each connection
// at once.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { NodeVersion } from './install-nodes.ts';
import { type ExampleResult, runCommand } from './run-examples.ts';

const commands: readonly (readonly string[])[] = [
  ['call', 'echo'],
  ['run', 'docs/examples/words.yaml'],
  ['attach', 'some-run'],
  ['logs', 'some-run'],
  ['logs', '--follow', 'some-run'],
  ['runs'],
  ['cancel', 'some-run'],
];

const expected = {
  code: 125,
  output: /^distillery: cannot connect to \S+: the server closed the connection without an answer\n/,
};

/** Runs each command, which has to end with exit code 125 and print that the server closed the connection. */
export async function runAtClosingServer({ path }: NodeVersion, folder: string): Promise<ExampleResult[]> {
  const server = createServer((socket) => socket.destroy());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const results: ExampleResult[] = [];
    for (const command of commands) {
      const result = await runCommand([...command, '--url', url], { path, folder, url, expected });
      results.push({ ...result, name: `${command.join(' ')}, closed connection` });
    }
    return results;
  } finally {
    server.close();
  }
}
