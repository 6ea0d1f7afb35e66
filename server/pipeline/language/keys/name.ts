// `name`: what a pipeline is called. Nothing depends on it.

import { wrongType, type Key } from '../field.ts';
import { scalarText } from './text.ts';

export const nameKey: Key<string> = {
  summary: 'What the pipeline is called, for people.',
  schema: { type: ['string', 'number', 'boolean', 'null'] },
  read: (field) => (field.value.is === 'null' ? undefined : scalarText(field.value) ?? wrongType(field, `'${field.name}' must be a string`)),
};
