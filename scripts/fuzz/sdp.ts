import { readFileSync } from 'node:fs';
import {
  CANDIDATE,
  EXTMAP,
  FINGERPRINT,
  FMTP,
  GROUP,
  parseFormatParameters,
  parseSessionDescription,
  readAll,
  RID,
  RTPMAP,
  SdpSyntaxError,
  serializeSessionDescription,
  SIMULCAST,
  SSRC_GROUP,
} from '@petrel/sdp';

export const seeds: Uint8Array[] = ['chromium', 'firefox', 'aiortc'].map((name) =>
  Uint8Array.from(readFileSync(`packages/sdp/test/vectors/${name}-offer.sdp`)),
);

export const targets: Record<string, (input: Uint8Array) => void> = {
  parse(input) {
    let description;
    try {
      description = parseSessionDescription(new TextDecoder().decode(input));
    } catch (error) {
      if (error instanceof SdpSyntaxError) return;
      throw error;
    }
    const text = serializeSessionDescription(description);
    if (serializeSessionDescription(parseSessionDescription(text)) !== text) throw new Error('not a fixed point');
    for (const section of [description, ...description.media]) {
      for (const type of [GROUP, RTPMAP, EXTMAP, FINGERPRINT, CANDIDATE, SSRC_GROUP, SIMULCAST, RID]) readAll<unknown>(section, type);
      for (const { parameters } of readAll(section, FMTP)) parseFormatParameters(parameters);
    }
  },
};
