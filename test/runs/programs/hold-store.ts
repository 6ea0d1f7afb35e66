// Opens the store in the folder given, writes to it, says so, and holds it until it is killed.

import { openStore } from '../../../server/runs/store.ts';

const store = openStore(process.argv[2]!);
store.insert({ id: 'held', call: 'c', params: [], caller: '', node: 'n', state: 'running', queuedAt: '', lines: 0, bytes: 0 });
store.journal({ run: 'held', kind: 'process', id: 'p', facts: {} });
process.stdout.write('held\n');
setInterval(() => store.get('held'), 1_000);
