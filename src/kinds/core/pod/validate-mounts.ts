// Which volume mounts and devices of a container are refused. Follows kubernetes v1.36
// pkg/apis/core/validation/validation.go (ValidateVolumeMounts, ValidateVolumeDevices).
import { forbiddenField, invalidValue, notFoundValue, path, required } from "../../../machinery/field.ts";
import type { Container, EphemeralContainer, VolumeMount } from "../../generated/core.v1.ts";
import { backstepErrors, each, type Errors, oneOf, relativePathErrors } from "../../checks.ts";

type AnyContainer = Container | EphemeralContainer;

function propagation(mount: VolumeMount, container: AnyContainer, at: string): Errors {
  const mode = mount.mountPropagation;
  if (mode === undefined) return [];
  const here = path(at, "mountPropagation");
  const errors = oneOf(here, mode, ["Bidirectional", "HostToContainer", "None"]);
  if (mode === "Bidirectional" && !container.securityContext?.privileged) {
    errors.push(forbiddenField(here, "Bidirectional mount propagation is available only to privileged containers"));
  }
  return errors;
}

function recursiveReadOnly(mount: VolumeMount, at: string): Errors {
  const mode = mount.recursiveReadOnly;
  if (mode === undefined) return [];
  const here = path(at, "recursiveReadOnly");
  const errors = oneOf(here, mode, ["Disabled", "Enabled", "IfPossible"]);
  if (mode === "Disabled" || errors.length > 0) return errors;
  if (!mount.readOnly) errors.push(forbiddenField(here, "may only be specified when readOnly is true"));
  if (mount.mountPropagation !== undefined && mount.mountPropagation !== "None") {
    errors.push(forbiddenField(here, "may only be specified when mountPropagation is None or not specified"));
  }
  return errors;
}

export function validateMounts(container: AnyContainer, volumes: ReadonlySet<string>, at: string): Errors {
  const seen = new Set<string>();
  const devices = new Set((container.volumeDevices ?? []).map(({ devicePath }) => devicePath));
  return each(at, container.volumeMounts, (here, mount) => {
    const errors: Errors = [];
    if (!mount.name) errors.push(required(path(here, "name")));
    else if (!volumes.has(mount.name)) errors.push(notFoundValue(path(here, "name"), mount.name));
    if (!mount.mountPath) errors.push(required(path(here, "mountPath")));
    if (seen.has(mount.mountPath))
      errors.push(invalidValue(path(here, "mountPath"), mount.mountPath, "must be unique"));
    seen.add(mount.mountPath);
    if (devices.has(mount.mountPath)) {
      errors.push(
        invalidValue(path(here, "mountPath"), mount.mountPath, "must not already exist as a path in volumeDevices"),
      );
    }
    if (mount.subPath) errors.push(...relativePathErrors(path(here, "subPath"), mount.subPath));
    if (mount.subPathExpr) {
      errors.push(...relativePathErrors(path(here, "subPathExpr"), mount.subPathExpr));
      if (mount.subPath)
        errors.push(
          invalidValue(path(here, "subPathExpr"), mount.subPathExpr, "subPathExpr and subPath are mutually exclusive"),
        );
    }
    return [...errors, ...propagation(mount, container, here), ...recursiveReadOnly(mount, here)];
  });
}

export function validateDevices(container: AnyContainer, claimVolumes: ReadonlySet<string>, at: string): Errors {
  const seen = new Set<string>();
  return each(at, container.volumeDevices, (here, device) => {
    const errors: Errors = [];
    if (!device.name) errors.push(required(path(here, "name")));
    else if (!claimVolumes.has(device.name)) errors.push(notFoundValue(path(here, "name"), device.name));
    if (!device.devicePath) errors.push(required(path(here, "devicePath")));
    else errors.push(...backstepErrors(path(here, "devicePath"), device.devicePath));
    if (seen.has(device.devicePath))
      errors.push(invalidValue(path(here, "devicePath"), device.devicePath, "must be unique"));
    seen.add(device.devicePath);
    return errors;
  });
}
