// For supervisors and load balancers: is it alive, and does it take work. Neither is switched by http.api.

import type { HttpParts } from '../parts.ts';
import { Refusal } from '../refusal.ts';
import type { Answer, Question } from '../route.ts';

export function healthz(): Answer {
  return { json: { healthy: true } };
}

export function readyz(_question: Question, parts: HttpParts): Answer {
  const readiness = parts.ready();
  if (readiness.ready) return { json: { ready: true } };
  throw new Refusal('not_ready', `not ready: ${readiness.reason}`, { 'Retry-After': '1' });
}
