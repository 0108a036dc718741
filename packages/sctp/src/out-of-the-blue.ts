import { readUint16 } from '@petrel/bytes';
import { CHUNK_TYPE, COMMON_HEADER_LENGTH, padded } from './packet/packet.ts';
import type { Tcb } from './tcb.ts';

/** A packet for no association, or for one that is over (RFC 9260 §8.4). Answered only when that makes the other side stop. */
export function answerOutOfTheBlue(tcb: Tcb, bytes: Uint8Array, tag: number): void {
  tcb.discards.count('out-of-the-blue');
  let answer: 'abort' | 'shutdown-complete' = 'abort';
  for (let offset = COMMON_HEADER_LENGTH; offset < bytes.length; offset = padded(offset + readUint16(bytes, offset + 2))) {
    switch (bytes[offset]!) {
      case CHUNK_TYPE.abort: // rule 2
      case CHUNK_TYPE.shutdownComplete: // rule 6
      case CHUNK_TYPE.cookieAck: // rule 7
      case CHUNK_TYPE.error:
        return;
      case CHUNK_TYPE.shutdownAck: // rule 5
        answer = 'shutdown-complete';
    }
  }
  if (answer === 'shutdown-complete') tcb.sendPacket(tag, CHUNK_TYPE.shutdownComplete, 1);
  else if (tcb.ended) tcb.sendPacket(tag, CHUNK_TYPE.abort, 1); // rule 8
}
