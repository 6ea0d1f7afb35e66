// Rule: the network of a job with services is not `none` or `host`, because the job reaches the services by name.

import { type JobRule, reportField } from './rule.ts';

export const servicesNeedNetwork: JobRule = ({ values: { network, services }, fields }) => {
  if (services === undefined || services.length === 0 || (network !== 'none' && network !== 'host')) return;
  reportField(
    fields.services!,
    `'${fields.services!.name}' cannot be used with '${fields.network!.name}: ${network}': the ` +
      'job could not reach them by name',
    [`remove '${fields.network!.name}', or name a network`],
  );
};
