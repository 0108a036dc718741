export {
  TurnClient,
  type TurnClientOptions,
  type TurnDiscard,
  type TurnEvent,
  type TurnFailureReason,
  type TurnState,
} from './turn-client.ts';
export { decodeChannelData, encodeChannelData, isChannelData } from './channel-data.ts';
export { type IceServerUrl, parseIceServerUrl } from './ice-server-url.ts';
