export {
  type ChannelError,
  type ChannelHandle,
  type CreateChannelOptions,
  DataChannelError,
  type DataChannelDiscard,
  type DataChannelEvent,
  DataChannels,
  type DataChannelsOptions,
  type DtlsRole,
} from './data-channels.ts';
export { type ChannelParameters, type DcepMessage, decodeDcep, encodeAck, encodeOpen } from './dcep.ts';
