// The checks that `npm run mutation` switches off, one at a time. Each entry: the text in a file (below packages/) that makes the check and stands
// there once, what is there without it, the test file that has to notice, and, to be quick, a pattern of test names.
import { dtlsMutations } from './dtls.mjs';
import { iceMutations } from './ice.mjs';
import { iceCheckMutations } from './ice-checks.mjs';
import { mediaMutations } from './media.mjs';
import { negotiationMutations } from './negotiation.mjs';
import { sctpMutations } from './sctp.mjs';
import { stunMutations } from './stun.mjs';
import { transportMutations } from './transport.mjs';

export const mutations = [
  ...dtlsMutations,
  ...iceMutations,
  ...iceCheckMutations,
  ...mediaMutations,
  ...negotiationMutations,
  ...sctpMutations,
  ...stunMutations,
  ...transportMutations,
];
