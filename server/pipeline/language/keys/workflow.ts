// The key `workflow`: the jobs in their order.

import { type Key, reportInvalid } from '../field.ts';
import { jobNamesKey, type NameRef } from './job-names.ts';

const names = jobNamesKey('The order of the jobs: a list of their names, or one string of names.');

export const workflowKey: Key<readonly NameRef[]> = {
  ...names,
  read(field) {
    const { value } = field;
    const isEmpty =
      (value.is === 'list' && value.items.length === 0) || (value.is === 'string' && value.text.trim() === '');
    if (!isEmpty) return names.read(field);
    return reportInvalid(field, `${field.name} must be defined and cannot be empty`, {
      code: 'MISSING_FIELD',
      suggestions: ['list the jobs in their order, such as [build, test]'],
    });
  },
};
