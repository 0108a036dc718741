/**
 * URLs of STUN and TURN servers (RFC 7064 §3.1, RFC 7065 §3.1).
 *
 * ```
 *   stunURI   = ( "stun" / "stuns" ) ":" host [ ":" port ]
 *   turnURI   = ( "turn" / "turns" ) ":" host [ ":" port ] [ "?transport=" transport ]
 *   transport = "udp" / "tcp" / transport-ext
 * ```
 */
export interface IceServerUrl {
  readonly scheme: 'stun' | 'stuns' | 'turn' | 'turns';
  /** A name, or an IP literal without brackets. */
  readonly host: string;
  readonly port: number;
  /** `tcp` with a scheme that ends in s is TLS. */
  readonly transport: 'udp' | 'tcp';
}

const URL_FORM = /^(stuns?|turns?):(\[[0-9a-f:.]+\]|[^[\]:?/@#\s]+)(?::([0-9]{1,5}))?(?:\?transport=([a-z0-9-]+))?$/i;

/**
 * @throws SyntaxError when the text is not such a URL, with what is wrong
 * @example
 * parseIceServerUrl('turn:turn.example.org?transport=tcp'); // { scheme: 'turn', host: 'turn.example.org', port: 3478, transport: 'tcp' }
 */
export function parseIceServerUrl(url: string): IceServerUrl {
  const parts = URL_FORM.exec(url);
  if (parts === null) throw new SyntaxError(`not a stun:, stuns:, turn: or turns: URL: ${JSON.stringify(url)}`);
  const scheme = parts[1]!.toLowerCase() as IceServerUrl['scheme'];
  const secure = scheme.endsWith('s');
  const host = parts[2]!.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const port = parts[3] === undefined ? (secure ? 5349 : 3478) : Number(parts[3]);
  if (port < 1 || port > 65_535) throw new SyntaxError(`a port is between 1 and 65535, not ${parts[3]}`);
  const named = parts[4]?.toLowerCase();
  if (named !== undefined && scheme.startsWith('stun')) throw new SyntaxError(`a ${scheme}: URL has no transport parameter`);
  if (named !== undefined && named !== 'udp' && named !== 'tcp') throw new SyntaxError(`unknown transport ${named}: udp or tcp`);
  return { scheme, host, port, transport: named ?? (secure ? 'tcp' : 'udp') };
}
