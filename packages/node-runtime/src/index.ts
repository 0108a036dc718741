export { NodeRuntime } from './node-runtime.ts';
export type { NodeNetworkInterface } from './network-interfaces.ts';
