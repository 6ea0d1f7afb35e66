// For somebody who types the address into a browser.

import type { HttpParts } from '../parts.ts';
import type { Answer, Question } from '../route.ts';

export function root(_question: Question, parts: HttpParts): Answer {
  return { text: `Distillery Gateway\n\n${parts.config().http.api ? on : off}` };
}

const on = 'JSON: /api/v1/http/\nWebsocket: /api/v1/ws\n';
const off = 'The API is switched off; `http: { api: true }` in distillery.yaml switches it on.\n';
