/** The states of a connection, derived from those of its transports (W3C WebRTC §4.3). */
import type { DtlsState } from '@petrel/dtls';
import type { IceTransportState } from '@petrel/ice';

/** Where offer and answer stand (W3C WebRTC §4.3.1). */
export type RTCSignalingState =
  | 'stable'
  | 'have-local-offer'
  | 'have-remote-offer'
  | 'have-local-pranswer'
  | 'have-remote-pranswer'
  | 'closed';
/** Of all transports together (W3C WebRTC §4.3.2). */
export type RTCIceGatheringState = 'new' | 'gathering' | 'complete';
/** Of all ICE transports together (W3C WebRTC §4.3.4). */
export type RTCIceConnectionState = 'closed' | 'failed' | 'disconnected' | 'new' | 'checking' | 'completed' | 'connected';
/** Of all ICE and DTLS transports together (W3C WebRTC §4.3.3). */
export type RTCPeerConnectionState = 'closed' | 'failed' | 'disconnected' | 'new' | 'connecting' | 'connected';

/** What the derivation needs of a transport that a transceiver or the data channels use. */
export interface TransportState {
  readonly ice: IceTransportState;
  readonly gathering: RTCIceGatheringState;
  readonly dtls: DtlsState;
}

/** §4.3.2 */
export function deriveGatheringState(transports: readonly TransportState[]): RTCIceGatheringState {
  if (transports.some(({ gathering }) => gathering === 'gathering')) return 'gathering';
  return transports.length > 0 && transports.every(({ gathering }) => gathering === 'complete') ? 'complete' : 'new';
}

/** §4.3.4 */
export function deriveIceConnectionState(transports: readonly TransportState[]): RTCIceConnectionState {
  const states = transports.map(({ ice }) => ice);
  const all = (...allowed: readonly IceTransportState[]): boolean => states.every((state) => allowed.includes(state));
  if (states.includes('failed')) return 'failed';
  if (states.includes('disconnected')) return 'disconnected';
  if (all('new', 'closed')) return 'new';
  if (states.includes('new') || states.includes('checking')) return 'checking';
  if (all('completed', 'closed')) return 'completed';
  return 'connected';
}

/** §4.3.3 */
export function deriveConnectionState(ice: RTCIceConnectionState, transports: readonly TransportState[]): RTCPeerConnectionState {
  const states = transports.map(({ dtls }) => dtls);
  if (ice === 'failed' || states.includes('failed')) return 'failed';
  if (ice === 'disconnected') return 'disconnected';
  if (ice === 'new' && states.every((state) => state === 'new' || state === 'closed')) return 'new';
  const isUp = ice === 'connected' || ice === 'completed';
  return isUp && states.every((state) => state === 'connected' || state === 'closed') ? 'connected' : 'connecting';
}
