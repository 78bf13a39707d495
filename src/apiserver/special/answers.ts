// Answers that are no object of the kind: a Status that says it worked.
import type { GroupResource, Status } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";

/** The Status of a success, 201 for what was created. */
export function success(what: GroupResource, name: string, code = 201): KubeObject {
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...(what.group ? { group: what.group } : {}), kind: what.resource },
    code,
  };
  return status as unknown as KubeObject;
}
