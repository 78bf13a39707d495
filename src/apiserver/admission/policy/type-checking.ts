// Checks the expressions of ValidatingAdmissionPolicies against the kinds that their rules name, and says in the status
// what does not fit. Follows kubernetes v1.36 apiserver/pkg/admission/plugin/policy/validating/typechecking.go.
import { compilePolicy } from "../../../kinds/admissionregistration/expressions.ts";
import { celTypeOf } from "../../../kinds/cel-types.ts";
import type {
  ExpressionWarning,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicySpec,
} from "../../../kinds/generated/admissionregistration.v1.ts";
import { apiVersionOf } from "../../../kinds/kind.ts";
import type { AnyKind, KindRegistry } from "../../../kinds/registry.ts";
import { types } from "../../../machinery/cel/type.ts";
import type { Logger } from "../../../machinery/log.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { StoreError, type Entry, type Store } from "../../../store/store.ts";

const collection = "admissionregistration.k8s.io/validatingadmissionpolicies";
/** More are left unchecked. */
const maxKinds = 10;

/** The kinds that rules name without wildcards. */
function kindsNamed({ matchConstraints }: ValidatingAdmissionPolicySpec, kinds: KindRegistry): AnyKind[] {
  const found = new Set<AnyKind>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of matchConstraints?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions, ...resources].includes("*")) continue;
    for (const group of apiGroups) {
      for (const version of apiVersions) {
        for (const resource of resources) {
          const kind = kinds.byResource(group, version, resource);
          if (kind) found.add(kind);
        }
      }
    }
  }
  return [...found].slice(0, maxKinds);
}

/** What would not compile if the objects had the types of the kinds that the rules name, by field. */
function expressionWarnings(spec: ValidatingAdmissionPolicySpec, kinds: KindRegistry): ExpressionWarning[] {
  const { paramKind } = spec;
  const paramType = paramKind && kinds.byApiVersion(paramKind.apiVersion!, paramKind.kind!);
  const params = (paramType && celTypeOf(paramType)) ?? types.dyn;
  const warnings = new Map<string, string>();
  for (const kind of kindsNamed(spec, kinds)) {
    const { errors } = compilePolicy(spec, { object: celTypeOf(kind) ?? types.dyn, params });
    for (const { field, text } of errors) {
      const fault = /^compilation failed: ([^]*)$/.exec(text)?.[1];
      if (fault === undefined) continue;
      const before = warnings.get(field);
      const line = `${apiVersionOf(kind)}, Kind=${kind.kind}: ${fault}`;
      warnings.set(field, before ? `${before}\n${line}` : line);
    }
  }
  return [...warnings].map(([fieldRef, warning]) => ({ fieldRef, warning }));
}

/** Checks what is stored and has not been, then follows. Lives as long as the store. */
export function followTypeChecking(store: Store, kinds: KindRegistry, log: Logger): void {
  const check = async (entry: Entry) => {
    const policy = entry.object as unknown as ValidatingAdmissionPolicy;
    const observedGeneration = policy.metadata.generation ?? 1;
    if (!policy.spec || policy.status?.observedGeneration === observedGeneration) return;
    const found = expressionWarnings(policy.spec, kinds);
    const typeChecking = found.length > 0 ? { expressionWarnings: found } : {};
    const object = { ...entry.object, status: { ...policy.status, observedGeneration, typeChecking } } as KubeObject;
    try {
      await store.write([{ type: "update", key: entry.key, expectedRevision: entry.revision, object }]);
    } catch (error) {
      // A newer version comes, or nothing does.
      if (error instanceof StoreError && error.code !== "unavailable") return;
      log.warn({ error, policy: entry.key.name }, "cannot write what checking the types of a policy found");
    }
  };
  const { entries, revision } = store.list(collection);
  for (const entry of entries) void check(entry);
  store.watch({ collection, after: revision }, (events) => {
    for (const { type, entry } of events) if (type !== "DELETED") queueMicrotask(() => void check(entry));
  });
}
