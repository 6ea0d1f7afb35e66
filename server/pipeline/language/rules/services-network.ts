// A job finds its services on a network.

import { refuse, type JobRule } from './rule.ts';

export const servicesHaveANetwork: JobRule = ({ values: { network, services }, fields }) => {
  if (services === undefined || services.length === 0 || network !== 'none' && network !== 'host') return;
  refuse(fields.services!, `'${fields.services!.name}' cannot be used with '${fields.network!.name}: ${network}': the job could not reach them by name`, [`take '${fields.network!.name}' out, or name a network`]);
};
