/** Joins one channel of a connection's transport stack to its RTCDataChannel. */
import type { ChannelHandle } from '@petrel/data-channel';
import type { ConnectionDriver } from './connection-driver.ts';
import type { DataChannelTransport } from './data-channel-slots.ts';

export function dataChannelTransport(driver: ConnectionDriver, handle: ChannelHandle): DataChannelTransport {
  return {
    send: (data) => driver.inputInBulk(({ channels }, now) => channels.send(handle, data, now)),
    close: () => driver.input(({ channels }, now) => channels.close(handle, now)),
    bufferedAmount: () => driver.stack.channels.bufferedAmount(handle),
    id: () => driver.stack.channels.id(handle),
    pauseReading: () => driver.stack.channels.pauseReading(handle),
    resumeReading: () => driver.input(({ channels }, now) => channels.resumeReading(handle, now)),
  };
}
