import type { Bandwidth, ConnectionAddress, MediaSection, SessionDescription } from './session-description.ts';

/**
 * Writes a session description with CRLF line ends (RFC 8866 §5).
 *
 * @example
 * const text = serializeSessionDescription({ ...description, media: description.media.filter(({ kind }) => kind !== 'video') });
 */
export function serializeSessionDescription(description: SessionDescription): string {
  const { origin } = description;
  const lines = [
    'v=0',
    `o=${origin.username} ${origin.sessionId} ${origin.sessionVersion} ${origin.networkType} ${origin.addressType} ${origin.address}`,
    `s=${description.name}`,
  ];
  if (description.information !== undefined) lines.push(`i=${description.information}`);
  if (description.uri !== undefined) lines.push(`u=${description.uri}`);
  for (const email of description.emails ?? []) lines.push(`e=${email}`);
  for (const phone of description.phones ?? []) lines.push(`p=${phone}`);
  if (description.connection !== undefined) lines.push(connectionLine(description.connection));
  for (const bandwidth of description.bandwidths ?? []) lines.push(bandwidthLine(bandwidth));
  for (const { start, stop, repeats } of description.timings) {
    lines.push(`t=${start} ${stop}`);
    for (const repeat of repeats ?? []) lines.push(`r=${repeat}`);
  }
  if (description.zones !== undefined) lines.push(`z=${description.zones}`);
  if (description.key !== undefined) lines.push(`k=${description.key}`);
  for (const { name, value } of description.attributes) lines.push(attributeLine(name, value));
  for (const section of description.media) lines.push(...mediaLines(section));
  return `${lines.join('\r\n')}\r\n`;
}

/** One media section's lines, without their ends. */
function mediaLines(section: MediaSection): string[] {
  const port = section.portCount === undefined ? section.port : `${section.port}/${section.portCount}`;
  const lines = [`m=${section.kind} ${port} ${section.protocol} ${section.formats.join(' ')}`];
  if (section.information !== undefined) lines.push(`i=${section.information}`);
  for (const connection of section.connections ?? []) lines.push(connectionLine(connection));
  for (const bandwidth of section.bandwidths ?? []) lines.push(bandwidthLine(bandwidth));
  if (section.key !== undefined) lines.push(`k=${section.key}`);
  for (const { name, value } of section.attributes) lines.push(attributeLine(name, value));
  return lines;
}

function attributeLine(name: string, value: string | undefined): string {
  return value === undefined ? `a=${name}` : `a=${name}:${value}`;
}

function connectionLine({ networkType, addressType, address }: ConnectionAddress): string {
  return `c=${networkType} ${addressType} ${address}`;
}

function bandwidthLine({ type, value }: Bandwidth): string {
  return `b=${type}:${value}`;
}
