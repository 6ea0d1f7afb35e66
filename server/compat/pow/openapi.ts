// Describes the pow-1 REST API as an OpenAPI document, and as an HTML page for people.

import { endpoints } from '../../../protocol/dialects/choose.ts';
import type { PowRoute } from './route.ts';

export const base = endpoints[1];

/** Source: OpenAPI 3.0.3. */
export function openapi(routes: readonly PowRoute[]): object {
  return {
    openapi: '3.0.3',
    info: {
      title: 'Distillery Gateway: pow-1 over HTTP',
      version: '1',
      description: 'Starts calls, sends their input, stops them, and returns their output and result.',
    },
    servers: [{ url: base }],
    paths: Object.fromEntries(routes.map((route) => [route.path, { [route.method.toLowerCase()]: operation(route) }])),
  };
}

function operation({ path, summary, body, success, failures }: PowRoute): object {
  return {
    operationId: /^\/(\w+)/.exec(path)?.[1],
    summary,
    ...(path.includes('{id}') && {
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }],
    }),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        description: body,
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
    }),
    responses: {
      200: { description: success },
      ...Object.fromEntries(
        Object.entries(failures).map(([status, text]) => [status, { description: text, content: plain }]),
      ),
    },
  };
}

const plain = { 'text/plain': { schema: { type: 'string' } } };

export function docsPage(routes: readonly PowRoute[]): string {
  const rows = routes.map(({ method, path, summary, body, success, failures }) =>
    [
      [
        `<tr><td><code>${method} `,
        `${escapeHtml(base + path)}</code><td>${escapeHtml(summary)}`,
        body === undefined ? '' : `<br>body: ${escapeHtml(body)}`,
      ].join(''),
      `<td>200 ${escapeHtml(success)}${Object.entries(failures)
        .map(([status, text]) => `<br>${status} ${escapeHtml(text)}`)
        .join('')}`,
    ].join(''),
  );
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>pow-1 over HTTP</title>
<style>body{font:16px/1.4 sans-serif;margin:2em;max-width:70em}
td,th{text-align:left;vertical-align:top;padding:.4em 1em .4em 0}</style>
<h1>pow-1 over HTTP</h1>
<p>For programs: <a href="../openapi.json">openapi.json</a>.</p>
<table><tr><th>request<th>what it does<th>answers
${rows.join('\n')}
</table>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
