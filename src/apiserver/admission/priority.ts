// Turns the name of a pod's priority class into its number, and lets only one class be the default.
// Follows kubernetes v1.36 plugin/pkg/admission/priority.
import type { Pod } from "../../kinds/generated/core.v1.ts";
import type { PriorityClass } from "../../kinds/generated/scheduling.v1.ts";
import { forbidden } from "../../machinery/errors.ts";
import type { Store } from "../../store/store.ts";
import type { AdmissionPlugin } from "./chain.ts";

const collection = "scheduling.k8s.io/priorityclasses";

export const priority: AdmissionPlugin = {
  name: "Priority",
  operations: ["CREATE", "UPDATE"],
  resources: ["/pods", collection],
  mutate({ resource, object, old, name }, { store }) {
    if (resource !== "/pods") return;
    const pod = object as Pod;
    if (!pod.spec) return;
    if (old) keepPriority(pod, old as Pod);
    else setPriority(pod, name, store);
  },
  validate({ resource, object, name }, { store }) {
    if (resource !== collection || !(object as PriorityClass).globalDefault) return;
    const other = defaultClass(store);
    if (!other || other.metadata!.name === name) return;
    const why = `PriorityClass ${other.metadata!.name} is already marked as default. Only one default can exist`;
    throw forbidden({ group: "scheduling.k8s.io", resource: "priorityclasses" }, name, why);
  },
};

function keepPriority(pod: Pod, old: Pod): void {
  const { priority: before, preemptionPolicy } = old.spec ?? {};
  if (pod.spec!.priority === undefined && before !== undefined) pod.spec!.priority = before;
  if (pod.spec!.preemptionPolicy === undefined && preemptionPolicy) pod.spec!.preemptionPolicy = preemptionPolicy;
}

function defaultClass(store: Store): PriorityClass | undefined {
  let lowest: PriorityClass | undefined;
  for (const { object } of store.list(collection).entries) {
    const one = object as PriorityClass;
    if (one.globalDefault && (!lowest || (one.value ?? 0) < (lowest.value ?? 0))) lowest = one;
  }
  return lowest;
}

function setPriority(pod: Pod, name: string, store: Store): void {
  const spec = pod.spec!;
  const refuse = (why: string) => forbidden({ group: "", resource: "pods" }, name, why);
  let found: PriorityClass | undefined;
  if (spec.priorityClassName) {
    const entry = store.latest({ collection, namespace: "", name: spec.priorityClassName });
    if (!entry) throw refuse(`no PriorityClass with name ${spec.priorityClassName} was found`);
    found = entry.object as PriorityClass;
  } else {
    found = defaultClass(store);
    if (found) spec.priorityClassName = found.metadata!.name!;
  }
  const computed = found?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== computed) {
    throw refuse(
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${computed} from the given PriorityClass name`,
    );
  }
  spec.priority = computed;
  const policy = found?.preemptionPolicy ?? "PreemptLowerPriority";
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    throw refuse(
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    );
  }
  spec.preemptionPolicy = policy;
}
