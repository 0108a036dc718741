/** Names of everything that the runtime has open, for leak checks: after the last `close` the list is empty. */
export class OpenHandles {
  readonly #names = new Map<symbol, string>();

  /** @returns a handle whose name can change, as when a socket learns its port. */
  open(name: string): OpenHandle {
    const key = Symbol(name);
    this.#names.set(key, name);
    return {
      rename: (other) => {
        if (this.#names.has(key)) this.#names.set(key, other);
      },
      close: () => {
        this.#names.delete(key);
      },
    };
  }

  list(): string[] {
    return [...this.#names.values()];
  }
}

export interface OpenHandle {
  rename(name: string): void;
  /** May be called more than once. */
  close(): void;
}

/** `192.0.2.1:5000`, `[2001:db8::1]:5000`. */
export function endpointName(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
