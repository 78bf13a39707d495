// What a pod's worker waits for besides the pod itself.
import type { Volume } from "../../kinds/generated/core.v1.ts";

export type ConfigurationKind = "configMap" | "secret" | "claim" | "volume";

export const claimsVolume = ({ persistentVolumeClaim, ephemeral }: Volume): boolean =>
  Boolean(persistentVolumeClaim ?? ephemeral);
