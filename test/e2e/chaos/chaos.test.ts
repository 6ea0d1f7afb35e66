// Stops or abandons 500 runs of every kind at random moments. Afterwards, nothing is left and every session has
// received its result.

import { describeChaos } from '../../helpers/chaos/describe-chaos.ts';

const count = Number(process.env['CHAOS_RUNS'] ?? 500);
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261_122);

describeChaos(`chaos: ${count} mixed runs, each stopped or abandoned at a random moment`, { count, seed });
