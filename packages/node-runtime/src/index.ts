export { NodeRuntime } from './node-runtime.ts';
export type { NodeNetworkInterface } from './network-interfaces.ts';
export type { ConnectOptions } from './stream-socket.ts';
