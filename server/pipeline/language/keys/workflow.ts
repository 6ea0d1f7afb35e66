// `workflow`: the jobs in their order.

import { wrong, type Key } from '../field.ts';
import { mentionsKey, type WrittenName } from './mentions.ts';

const names = mentionsKey('The order of the jobs: a list of their names, or one text of names.');

export const workflowKey: Key<readonly WrittenName[]> = {
  ...names,
  read(field) {
    const { value } = field;
    const isEmpty = value.is === 'null' || value.is === 'list' && value.items.length === 0 || value.is === 'string' && value.text.trim() === '';
    if (!isEmpty) return names.read(field);
    return wrong(field, `${field.name} must be defined and cannot be empty`, { code: 'MISSING_FIELD', suggestions: ['name the jobs in their order, such as [build, test]'] });
  },
};
