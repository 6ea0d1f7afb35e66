// Who is calling.

import type { Answer, Question } from '../route.ts';
import { respelt } from '../spelling.ts';

export function auth(question: Question): Answer {
  return { json: told(question) };
}

export function authAlias(question: Question): Answer {
  return { json: respelt(told(question), { user: 'User', token: 'Token' }) };
}

function told({ caller }: Question): { readonly user: string; readonly token: boolean } {
  return { user: caller.user, token: caller.token };
}
