import { NodeRuntime } from '@petrel/node-runtime';

/** An address of this machine that is not loopback, where there is one: browsers have no candidates on loopback. */
export function ownAddress(): string {
  const own = new NodeRuntime().networkInterfaces().find(({ family, internal, linkLocal }) => family === 4 && !internal && !linkLocal);
  return own?.address ?? '127.0.0.1';
}
