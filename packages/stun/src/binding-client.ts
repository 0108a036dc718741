/** Asks a STUN server which address our packets come from (RFC 8489 §12, RFC 8445 §5.1.1.2). */
import type { Core, Instant } from '@petrel/sans-io';
import { addressScope, type TransportAddress } from './ip-address.ts';
import { StunClient, type StunClientOptions, type StunFailure } from './stun-client.ts';

/** What {@link BindingClient.pollEvent} gives; the round trip is in milliseconds, undefined after a retransmission. */
export type BindingEvent =
  | { readonly type: 'mapped'; readonly mappedAddress: TransportAddress; readonly roundTripTime: number | undefined }
  | { readonly type: 'failed'; readonly failure: StunFailure };

/**
 * @example
 * const client = new BindingClient({ crypto });
 * client.start(now);
 * socket.send(client.pollTransmit(now), 3478, 'stun.example.org');
 * // … client.receive(datagram, now), then pollEvent() yields { type: 'mapped', mappedAddress: { address: '198.51.100.7', port: 40123 } }
 */
export class BindingClient implements Core<Uint8Array, BindingEvent> {
  readonly #client: StunClient;

  constructor(options: StunClientOptions) {
    this.#client = new StunClient(options);
  }

  /** Sends a Binding request; may be called again, to keep a mapping alive or to see whether it has changed. */
  start(now: Instant): void {
    this.#client.request('binding', {}, now);
  }

  /** Whether a datagram is a response to one of our requests, as far as its transaction id tells. */
  expects(datagram: Uint8Array): boolean {
    return this.#client.expects(datagram);
  }

  receive(datagram: Uint8Array, now: Instant): void {
    this.#client.receive(datagram, now);
  }

  handleTimeout(now: Instant): void {
    this.#client.handleTimeout(now);
  }

  nextTimeout(): Instant {
    return this.#client.nextTimeout();
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#client.pollTransmit();
  }

  pollEvent(): BindingEvent | undefined {
    const event = this.#client.pollEvent();
    if (event === undefined) return undefined;
    if (event.type === 'failed') return { type: 'failed', failure: event.failure };
    const { xorMappedAddress, mappedAddress } = event.message.attributes;
    const address = xorMappedAddress ?? mappedAddress;
    if (address === undefined || address.port === 0 || addressScope(address.address) === 'special')
      return { type: 'failed', failure: { reason: 'error-response', phrase: 'the response has no usable XOR-MAPPED-ADDRESS' } };
    return { type: 'mapped', mappedAddress: address, roundTripTime: event.roundTripTime };
  }

  close(): void {
    this.#client.close();
  }
}
