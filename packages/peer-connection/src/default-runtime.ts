import type { Random } from '@petrel/sans-io';
import type { Runtime } from './runtime.ts';

let defaultRuntime: (() => Runtime) | undefined;

/** What connections use that are constructed without a runtime of their own: the umbrella gives Node's, and it is made when it is first needed. */
export function setDefaultRuntime(create: () => Runtime): void {
  let runtime: Runtime | undefined;
  defaultRuntime = () => (runtime ??= create());
}

/** @throws TypeError when there is neither */
export function runtimeOrDefault(runtime: Runtime | undefined): Runtime {
  // Old code for browsers passes constraints as the second argument of RTCPeerConnection.
  const found = typeof runtime?.queueTask === 'function' ? runtime : defaultRuntime?.();
  if (found === undefined) throw new TypeError('RTCPeerConnection: there is no runtime; pass one, or import it from petrel');
  return found;
}

/** Where objects draw from that belong to no connection: the default runtime, or the platform while there is none. */
export function defaultRandom(): Random {
  return defaultRuntime?.().crypto ?? platformRandom;
}

const platformRandom: Random = { randomBytes: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)) };
