export { IceAgent, type IceDiscard } from './ice-agent.ts';
export {
  type CandidatePairStats,
  FIRST_STREAM_ID,
  type IceAgentOptions,
  type IceEvent,
  type IceGatheringState,
  type IceParameters,
  type IceRole,
  type IceServer,
  type IceStats,
  type IceTransmit,
  type IceTransportState,
  type LocalSocket,
} from './ice-types.ts';
export {
  type Candidate,
  type CandidateType,
  formatCandidate,
  hasNamedAddress,
  parseCandidate,
  type TcpCandidateType,
  type TransportProtocol,
} from './candidate.ts';
export { CheckListSet } from './check-list-set.ts';
export { requestedFragment } from './connectivity-checks.ts';
export { candidatePriority, pairPriority } from './priority.ts';
export { newIceParameters } from './ice-parameters.ts';
