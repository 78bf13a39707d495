// Which security contexts are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go
// (ValidateSecurityContext, validatePodSpecSecurityContext).
import { duplicate, invalidValue, path, required } from "../../../machinery/field.ts";
import type {
  AppArmorProfile,
  PodSecurityContext,
  SeccompProfile,
  SecurityContext,
  Sysctl,
} from "../../generated/core.v1.ts";
import { each, type Errors, oneOf, relativePathErrors, within } from "../../checks.ts";

const largestId = 2 ** 31 - 1;
const id = (at: string, value: number | undefined): Errors => within(at, value, 0, largestId);

const profileTypes = ["Localhost", "RuntimeDefault", "Unconfined"];

function profile(value: SeccompProfile | AppArmorProfile | undefined, at: string): Errors {
  if (!value) return [];
  const here = path(at, "localhostProfile");
  const errors = oneOf(path(at, "type"), value.type, profileTypes);
  if (value.type === "Localhost") {
    if (!value.localhostProfile) errors.push(required(here, "must be set when seccomp type is Localhost"));
    else errors.push(...relativePathErrors(here, value.localhostProfile));
  } else if (value.localhostProfile !== undefined) {
    errors.push(invalidValue(here, value.localhostProfile, "can only be set when seccomp type is Localhost"));
  }
  return errors;
}

export function validateContainerSecurity(context: SecurityContext | undefined, at: string): Errors {
  if (!context) return [];
  const errors = [
    ...id(path(at, "runAsUser"), context.runAsUser),
    ...id(path(at, "runAsGroup"), context.runAsGroup),
    ...(context.procMount === undefined
      ? []
      : oneOf(path(at, "procMount"), context.procMount, ["Default", "Unmasked"])),
    ...profile(context.seccompProfile, path(at, "seccompProfile")),
    ...profile(context.appArmorProfile, path(at, "appArmorProfile")),
  ];
  if (context.allowPrivilegeEscalation === false) {
    const conflict = context.privileged
      ? "`privileged` to true"
      : context.capabilities?.add?.some((name) => name === "CAP_SYS_ADMIN" || name === "SYS_ADMIN")
        ? "`capabilities.Add` CAP_SYS_ADMIN"
        : undefined;
    if (conflict)
      errors.push(invalidValue(at, context, `cannot set \`allowPrivilegeEscalation\` to false and ${conflict}`));
  }
  return errors;
}

const sysctlName = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9]$/;

function sysctls(values: readonly Sysctl[] | undefined, at: string): Errors {
  const seen = new Set<string>();
  return each(at, values, (here, { name }) => {
    const errors: Errors = [];
    if (!name) errors.push(required(path(here, "name")));
    else if (name.length > 253 || !sysctlName.test(name)) {
      errors.push(
        invalidValue(path(here, "name"), name, `must have at most 253 characters and match regex ${sysctlName.source}`),
      );
    } else if (seen.has(name)) errors.push(duplicate(path(here, "name"), name));
    seen.add(name);
    return errors;
  });
}

/** The security context of a pod spec. */
export function validatePodSecurity(context: PodSecurityContext | undefined, at: string): Errors {
  if (!context) return [];
  const optional = (field: "fsGroupChangePolicy" | "supplementalGroupsPolicy", allowed: readonly string[]) =>
    context[field] === undefined ? [] : oneOf(path(at, field), context[field], allowed);
  return [
    ...id(path(at, "fsGroup"), context.fsGroup),
    ...id(path(at, "runAsUser"), context.runAsUser),
    ...id(path(at, "runAsGroup"), context.runAsGroup),
    ...each(path(at, "supplementalGroups"), context.supplementalGroups, id),
    ...sysctls(context.sysctls, path(at, "sysctls")),
    ...optional("fsGroupChangePolicy", ["Always", "OnRootMismatch"]),
    ...optional("supplementalGroupsPolicy", ["Merge", "Strict"]),
    ...profile(context.seccompProfile, path(at, "seccompProfile")),
    ...profile(context.appArmorProfile, path(at, "appArmorProfile")),
  ];
}
