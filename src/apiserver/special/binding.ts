// POST pods/binding: the scheduler's decision. Follows kubernetes v1.36 pkg/registry/core/pod/storage/storage.go (assignPod).
import { Binding, Pod } from "../../kinds/index.ts";
import { formatTime } from "../../machinery/clock.ts";
import { badRequest, conflict, invalid } from "../../machinery/errors.ts";
import { invalidValue, notSupported, required } from "../../machinery/field.ts";
import type { FieldError } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Entry } from "../../store/store.ts";
import { authorize } from "../core/authorize.ts";
import { attempt, resourceOf, Transaction } from "../core/core.ts";
import type { Core } from "../core/core.ts";
import { entryOf } from "../core/entries.ts";
import type { RequestContext, WriteParameters } from "../types.ts";
import { latestEntry } from "../core/create.ts";
import { admitted } from "./admitted.ts";
import { success } from "./answers.ts";
import type { SpecialHandler, SpecialRequest } from "./index.ts";

export const bind: SpecialHandler = async (core, request) => {
  checkBinding(request.body as Binding);
  const body = { operation: "CREATE", object: request.body as Binding, type: Binding } as const;
  return bindAdmitted(core, request, (await admitted(core, request, body)) as Binding);
};

function bindAdmitted(
  core: Core,
  { kind, target, parameters }: Pick<SpecialRequest, "kind" | "target" | "parameters">,
  binding: Binding,
): Promise<KubeObject> {
  checkBinding(binding);
  return attempt(core, kind, target.name, true, async () => {
    const current = latestEntry(core, kind, target.namespace, target.name);
    const pod = current.object as Pod;
    const refuse = (why: string) => conflict({ group: "", resource: "pods/binding" }, target.name, why);
    const uid = binding.metadata?.uid;
    if (uid && uid !== pod.metadata!.uid) {
      throw refuse(`Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata!.uid}`);
    }
    if (pod.metadata!.deletionTimestamp)
      throw refuse(`pod ${target.name} is being deleted, cannot be assigned to a host`);
    if (pod.spec!.nodeName)
      throw refuse(`pod ${target.name} is already assigned to node ${JSON.stringify(pod.spec!.nodeName)}`);
    if (pod.spec!.schedulingGates?.length) {
      throw refuse(`pod ${target.name} has non-empty .spec.schedulingGates`);
    }
    const next = bound(pod, binding, formatTime(core.clock.now()));
    const write = {
      type: "update",
      key: current.key,
      expectedRevision: current.revision,
      object: next as KubeObject,
    } as const;
    await new Transaction(parameters.dryRun ?? false).commit(core.store, write, current);
    return success(resourceOf(kind), target.name);
  });
}

/** POST of a Binding beside the pods: the older way to the same end. The pod has the binding's name. */
export async function createBinding(
  core: Core,
  context: RequestContext,
  namespace: string,
  body: KubeObject,
  parameters: WriteParameters,
): Promise<Entry> {
  authorize(core.authorizer, context, Binding, "create", { namespace });
  const name = body?.metadata?.name;
  if (!name) throw badRequest("the name of the pod is missing");
  const target = { namespace, name };
  checkBinding(body as Binding);
  const request = { context, kind: Binding, target, subresource: "", parameters };
  const binding = await admitted(core, request, { operation: "CREATE", object: body });
  const answer = await bindAdmitted(core, { kind: Pod, target, parameters }, binding as Binding);
  return entryOf({ collection: "/bindings", namespace, name }, answer, 0, 0);
}

function checkBinding(binding: Binding | undefined): void {
  if (!binding || typeof binding !== "object" || !binding.target)
    throw badRequest("the body is no Binding with a target");
  const errors: FieldError[] = [];
  const { kind, name } = binding.target;
  if (kind && kind !== "Node") errors.push(notSupported("target.kind", kind, ["Node", "<empty>"]));
  if (!name) errors.push(required("target.name"));
  else if (typeof name !== "string") errors.push(invalidValue("target.name", name, "must be a string"));
  if (errors.length > 0) throw invalid({ group: "", kind: "Binding" }, binding.metadata?.name ?? "", errors);
}

/** The pod on its node, with the condition that says so and the binding's annotations and labels. */
function bound(pod: Pod, binding: Binding, now: string): Pod {
  const conditions = pod.status?.conditions ?? [];
  const scheduled = {
    type: "PodScheduled",
    status: "True",
    lastProbeTime: null as unknown as string,
    lastTransitionTime: now,
  };
  const others = conditions.filter(({ type }) => type !== "PodScheduled");
  const { annotations, labels } = binding.metadata ?? {};
  return {
    ...pod,
    metadata: {
      ...pod.metadata!,
      ...(annotations ? { annotations: { ...pod.metadata!.annotations, ...annotations } } : {}),
      ...(labels ? { labels: { ...pod.metadata!.labels, ...labels } } : {}),
    },
    spec: { ...pod.spec!, nodeName: binding.target.name! },
    status: { ...pod.status, conditions: [...others, scheduled] },
  };
}
