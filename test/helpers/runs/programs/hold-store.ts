// Opens the store in the given folder, writes to it, prints a line, and holds the store until it is killed.

import { openStore } from '../../../../server/runs/store/store.ts';

const store = openStore(process.argv[2]!);
store.insert({
  id: 'held',
  call: 'c',
  params: [],
  caller: '',
  node: 'n',
  state: 'running',
  queuedAt: '',
  lines: 0,
  bytes: 0,
});
store.saveObligation({ run: 'held', kind: 'process', id: 'p', facts: {} });
process.stdout.write('held\n');
setInterval(() => store.get('held'), 1_000);
