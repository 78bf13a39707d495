// What can go wrong on the way to a running container, and how the pod's status names it.
import type { PodSpec } from "../../kinds/generated/core.v1.ts";
import { ConfigError } from "../environment/env.ts";
import { ImageError } from "../images/puller.ts";
import type { Waiting } from "./status.ts";

/** The sandbox could not be made. */
export class SandboxError extends Error {}

/** A field that asks for something which this kubelet cannot give, and which must not be ignored. */
export function unsupportedField(spec: PodSpec): string | undefined {
  if (spec.hostUsers === false) return "spec.hostUsers: false";
  if (spec.resourceClaims?.length) return "spec.resourceClaims";
  if (spec.securityContext?.supplementalGroupsPolicy === "Strict")
    return "spec.securityContext.supplementalGroupsPolicy: Strict";
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const signalled = containers.find(({ lifecycle }) => lifecycle?.stopSignal);
  return signalled && `lifecycle.stopSignal of container "${signalled.name}"`;
}

/** A runtime call failed while a container was made or started; `reason` is shown as its waiting reason. */
class StartError extends Error {
  readonly reason: string;
  constructor(reason: string, cause: unknown) {
    super((cause as Error).message, { cause });
    this.reason = reason;
  }
}

/** Runs a runtime call; its failure gets the reason. */
export async function failingAs<T>(reason: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw new StartError(reason, error);
  }
}

/** What a container that could not be started shows. */
export function explain(error: unknown): Waiting {
  const { message } = error as Error;
  if (error instanceof ImageError || error instanceof StartError) return { reason: error.reason, message };
  if (error instanceof ConfigError) return { reason: "CreateContainerConfigError", message };
  return { reason: "CreateContainerError", message };
}
