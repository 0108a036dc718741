export {
  EXPORTER_LABEL,
  keyingMaterialLength,
  type MasterKey,
  PROTECTION_PROFILES,
  type ProtectionProfile,
  protectionProfileById,
  type ProtectionProfileName,
  splitKeyingMaterial,
} from './protection-profile.ts';
export { SrtpContext, type SrtpContextOptions, type SrtpDiscard } from './srtp-context.ts';
export { SrtcpContext } from './srtcp-context.ts';
