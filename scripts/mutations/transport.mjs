// Where packets go: the mux, the transport stack, the close.
import { entriesIn, entriesOf } from './entry.mjs';

/** One port for many connections: what strangers cannot do there, and what is bounded. */
const mux = entriesOf('mux', 'peer-connection');
const ports = [
  mux('a path only for who has authenticated itself', 'mux/udp-mux', '|| standing === undefined ||', '||', 'udp-mux', 'not authentic'),
  mux(
    'a copied check takes no path away',
    'mux/udp-mux',
    "if (standing === 'valid' || (this.#paths.get(key) ?? member) === member) this.#bindPath",
    'this.#bindPath',
    'udp-mux',
    'takes none away',
  ),
  mux(
    'authentication is the agent’s word',
    'transport-sockets',
    'return ice.standing(ids[index]!, address, port);',
    "return 'valid';",
    'mux',
    'I02: a check with the right fragment',
  ),
  mux('paths of a member', 'mux/udp-mux', 'const MAX_PATHS = 64;', 'const MAX_PATHS = 1e6;', 'udp-mux', 'of one member'),
  mux(
    'transactions of a member',
    'mux/udp-mux',
    'const MAX_TRANSACTIONS = 256;',
    'const MAX_TRANSACTIONS = 1e6;',
    'udp-mux',
    'of one member',
  ),
  mux('fragments of a member', 'mux/mux-members', 'const MAX_FRAGMENTS = 4;', 'const MAX_FRAGMENTS = 1e6;', 'udp-mux', 'of one member'),
  mux(
    'an answered transaction is over',
    'mux/udp-mux',
    "if (kind === 'response') this.#endTransaction(member, transactionKey(data));",
    '',
    'udp-mux',
    'answered transaction',
  ),
  mux(
    'nothing of a member that has left',
    'mux/udp-mux',
    'for (const key of member.paths) this.#paths.delete(key);',
    '',
    'udp-mux',
    'authenticated its sender last',
  ),
  mux('calls of the hook', 'mux/mux-options', 'if (this.#calls++ < MAX_CALLS) this.#callback', 'this.#callback', 'mux', 'F02'),
  mux('TCP connections without a check', 'mux/tcp-mux', 'if (this.#pending.size >= MAX_PENDING) {', 'if (false) {', 'mux', 'I18'),
  mux('TCP connections that say nothing', 'mux/tcp-mux', "() => this.#refuse(pending, 'no-check-in-time')", '() => {}', 'mux', 'I18'),
  mux(
    'the first frame is a check',
    'mux/tcp-mux',
    "if (fragment === undefined) return this.#refuse(pending, 'not-a-check');",
    '',
    'mux',
    'I18',
  ),
];

const peer = entriesOf('transport', 'peer-connection');

/** Each layer speaks and listens when the one below it has been verified, and not before. */
const layers = [
  peer('shortest datagram', 'demultiplex', 'if (datagram.length < 2) return undefined;', '', 'demultiplex', 'I12'),
  peer('first bytes above 191', 'demultiplex', 'if (first > 191) return undefined;', '', 'demultiplex', 'I12'),
  peer('first bytes of DTLS', 'demultiplex', 'first >= 20 && first <= 63', 'first >= 16 && first <= 63', 'demultiplex', 'I12'),
  peer('first bytes of STUN', 'demultiplex', 'if (first <= 3) return', 'if (first <= 19) return', 'demultiplex', 'I12'),
  peer('packet types of RTCP', 'demultiplex', 'packetType >= 192 && packetType <= 223', 'packetType >= 192', 'demultiplex', '5761'),
  peer(
    'RTP before there are keys',
    'transport-stack',
    '#receiveSrtp(datagram: Uint8Array, now: Instant): void {\n    if (this.#srtp === undefined) return',
    '#receiveSrtp(datagram: Uint8Array, now: Instant): void {\n    if (false) return',
    'layer-hostile',
    'R09',
  ),
  peer(
    'RTCP before there are keys',
    'transport-stack',
    '#receiveSrtcp(datagram: Uint8Array, now: Instant): void {\n    if (this.#srtp === undefined) return',
    '#receiveSrtcp(datagram: Uint8Array, now: Instant): void {\n    if (false) return',
    'layer-hostile',
    'R09',
  ),
  peer(
    'RTP that is not authentic',
    'transport-stack',
    "if (packet === undefined) return this.discards.count('srtp-rejected');",
    '',
    'layer-hostile',
    'R02',
  ),
  peer(
    'RTCP that is not authentic',
    'transport-stack',
    "if (compound === undefined) return this.discards.count('srtcp-rejected');",
    '',
    'layer-hostile',
    'R02',
  ),
  peer(
    'media out before there are keys',
    'transport-stack',
    'if (this.#srtp === undefined || this.#peerClose.report !== undefined) {',
    'if (this.#peerClose.report !== undefined) {',
    'layer-hostile',
    'R09',
  ),
  peer(
    'media out after the peer’s close',
    'transport-stack',
    'if (this.#srtp === undefined || this.#peerClose.report !== undefined) {',
    'if (this.#srtp === undefined) {',
    'layer-hostile',
    'X07',
  ),
  peer(
    'SCTP without an association',
    'transport-stack',
    "if (this.#sctp === undefined) return this.discards.count('no-association');",
    '',
    'layer-hostile',
    'W02',
  ),
  peer(
    'DTLS without a description',
    'transport-stack',
    "if (this.#dtls === undefined) return this.discards.count('dtls-before-start');",
    '',
    'layer-hostile',
    'R09',
  ),
  peer('SCTP before DTLS', 'transport-stack', "|| this.#dtlsState !== 'connected') return;", ') return;', 'layer-order', 'W01'),
  peer(
    'fingerprints of another peer',
    'transport-stack',
    'if (this.#isAnotherPeer(parameters.fingerprints)) this.#leavePeer();',
    '',
    'another-peer',
  ),
  peer(
    'fingerprints that are described anew',
    'transport-stack',
    'this.#dtls?.setRemoteFingerprints(parameters.fingerprints);',
    '',
    'layer-hostile',
    'D07',
  ),
  peer(
    'keys of another peer',
    'transport-stack',
    '    this.#dtls = undefined;\n    this.#srtp = undefined;\n',
    '    this.#dtls = undefined;\n',
    'another-peer',
  ),
];

/** The close, as the other side and strangers see it. */
const closing = [
  peer(
    'answers to a closed peer: interval',
    'peer-close',
    'now - this.#answeredAt >= ANSWER_INTERVAL && ',
    '',
    'close-receiving',
    'gets its answer again',
  ),
  peer('answers to a closed peer: period', 'peer-close', ' && now - this.#closedAt <= ANSWER_PERIOD', '', 'layer-hostile', 'X07'),
  peer(
    'strangers provoke no flight',
    'shutdown-sequencer',
    'if (fromPeer || payload !== undefined) this',
    'if (true) this',
    'close-strangers',
    'stranger',
  ),
  peer(
    'flights: interval',
    'shutdown-sequencer',
    "if (this.#state === 'repeating' && now - this.#lastFlightAt >= FLIGHT_INTERVAL) this",
    "if (this.#state === 'repeating') this",
    'close-strangers',
    'twenty flights',
  ),
  peer('flights: number', 'shutdown-sequencer', 'if (this.#flights >= MAX_FLIGHTS) return;', '', 'close-strangers', 'twenty flights'),
  peer(
    'only an alert is an answer',
    'shutdown-sequencer',
    'if (!dtls?.closedByPeer) return undefined;',
    '',
    'close-strangers',
    'twenty flights',
  ),
  peer(
    'answers to a peer that has not heard',
    'shutdown-sequencer',
    'dtls.closeNotifiesReceived <= this.#flights + this.#answers || ',
    '',
    'close-strangers',
    'X04',
  ),
  peer(
    'answers to a peer that has not heard: number',
    'shutdown-sequencer',
    ' || this.#answers >= MAX_FLIGHTS) return',
    ') return',
    'close-strangers',
    'X04',
  ),
  peer(
    'answers to a peer that has not heard: interval',
    'shutdown-sequencer',
    'if (now - this.#lastFlightAt < FLIGHT_INTERVAL) return;\n    this.#answers',
    'this.#answers',
    'close-strangers',
    'X04',
  ),
  mux('length of the first frame', 'mux/tcp-mux', 'length < 20 || length > MAX_CHECK', 'false', 'mux', 'I18'),
  mux(
    'TCP connections for nobody',
    'mux/tcp-mux',
    "if (member === undefined) return this.#refuse(pending, 'unknown-fragment');",
    'if (member === undefined) return;',
    'mux',
    'I18',
  ),
];

const mdns = entriesIn('mdns', 'node-runtime', 'mdns');
/** Multicast: anybody on the link can answer, and ask. */
const names = [
  mdns('responses', 'mdns-message', 'if ((reader.uint16() & RESPONSE_MASK) !== RESPONSE) return [];', 'reader.skip(2);', 'messages'),
  mdns('questions', 'mdns-message', 'if ((reader.uint16() & RESPONSE_MASK) !== 0) return undefined;', 'reader.skip(2);', 'questions'),
  mdns('class and time to live', 'mdns-message', 'if (recordClass !== CLASS_IN || timeToLive === 0) return undefined;', '', 'messages'),
  mdns('length of an address', 'mdns-message', 'type === TYPE_A && data.length === 4', 'type === TYPE_A', 'messages'),
  mdns('length of an IPv6 address', 'mdns-message', 'type === TYPE_AAAA && data.length === 16', 'type === TYPE_AAAA', 'messages'),
  mdns('names in one question', 'mdns-message', ' && i < MAX_QUESTIONS', '', 'F02'),
  mdns('end of a question', 'mdns-message', 'if (name === undefined || reader.overrun) return undefined;', '', 'questions'),
  mdns('port of an answer', 'mdns-resolver', 'if (sourcePort !== this.#port) return;', '', 'wrong port'),
  mdns('questions at once', 'mdns-resolver', 'if (this.#questions.size >= MAX_PENDING) return', 'if (false) return', 'wrong port'),
  mdns('only .local', 'mdns-resolver', '{1,63}\\.local$/i', '{1,63}\\.local/i', '3\\.2\\.1'),
  mdns('names of others', 'mdns-responder', 'if (own === undefined || ', 'if (', 'own names'),
  mdns('answers in a second', 'mdns-responder', 'return ++this.#answers <= MAX_ANSWERS;', 'return true;', 'F02'),
];

export const transportMutations = [...ports, ...layers, ...closing, ...names];
