// Taints and who tolerates them. Follows kubernetes v1.36 component-helpers/scheduling/corev1 (ToleratesTaint).
import type { Pod, Taint, Toleration } from "../kinds/generated/core.v1.ts";

/** An empty key with Exists tolerates everything; an empty effect every effect. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const value = taint.value ?? "";
  switch (toleration.operator || "Equal") {
    case "Exists":
      return true;
    case "Equal":
      return toleration.key !== undefined && toleration.key !== "" && (toleration.value ?? "") === value;
    case "Gt":
      return isInteger(value) && isInteger(toleration.value) && BigInt(value) > BigInt(toleration.value!);
    case "Lt":
      return isInteger(value) && isInteger(toleration.value) && BigInt(value) < BigInt(toleration.value!);
    default:
      return false;
  }
}

const isInteger = (text: string | undefined): boolean => text !== undefined && /^-?\d+$/.test(text);

/** The first taint of these effects that the pod does not tolerate. */
export const untolerated = (
  pod: Pod,
  taints: readonly Taint[] | undefined,
  effects: readonly string[],
): Taint | undefined =>
  taints?.find(
    (t) => effects.includes(t.effect) && !pod.spec?.tolerations?.some((toleration) => tolerates(toleration, t)),
  );
