interface PortOptions {
  readonly port?: number;
  readonly portRange?: { readonly min: number; readonly max: number };
}

/** Binds the port that is wanted, or the first free one of the range, or any. @throws (rejects) the last error; EADDRINUSE when no port of the range is free */
export async function bindInRange<Bound>({ port, portRange }: PortOptions, bindTo: (port: number) => Promise<Bound>): Promise<Bound> {
  if (port !== undefined || portRange === undefined) return await bindTo(port ?? 0);
  for (let candidate = portRange.min; candidate < portRange.max; candidate++) {
    try {
      return await bindTo(candidate);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  return await bindTo(portRange.max);
}
