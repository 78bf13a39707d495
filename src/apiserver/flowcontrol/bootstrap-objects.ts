// The FlowSchemas and PriorityLevelConfigurations that every cluster has. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go and pkg/registry/flowcontrol/ensurer.
import type { FlowSchema } from "../../kinds/flowcontrol/flow-schema.ts";
import type { PriorityLevelConfiguration } from "../../kinds/flowcontrol/priority-level-configuration.ts";
import type {
  PolicyRulesWithSubjects,
  QueuingConfiguration,
  ResourcePolicyRule,
  Subject,
} from "../../kinds/generated/flowcontrol.v1.ts";
import { formatTime } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { NewObject } from "../../machinery/object.ts";

const apiVersion = "flowcontrol.apiserver.k8s.io/v1";
/** Whether the server may bring a suggested object back to what is suggested. */
const autoUpdate = "apf.kubernetes.io/autoupdate-spec";
const metadata = (name: string) => ({ name, generation: 1, annotations: { [autoUpdate]: "true" } });

const level = (name: string, spec: PriorityLevelConfiguration["spec"]) =>
  ({
    apiVersion,
    kind: "PriorityLevelConfiguration",
    metadata: metadata(name),
    spec,
    status: {},
  }) satisfies NewObject<PriorityLevelConfiguration>;

function limited(name: string, shares: number, lendablePercent: number, queuing?: QueuingConfiguration) {
  const limitResponse = queuing ? { type: "Queue", queuing } : { type: "Reject" };
  return level(name, {
    type: "Limited",
    limited: { nominalConcurrencyShares: shares, lendablePercent, limitResponse },
  });
}

const queuing = (queues: number, handSize: number) => ({ queues, handSize, queueLengthLimit: 50 });

/** Without these two a request could find no level, so they cannot be changed or removed. */
const mandatoryLevels = [
  level("exempt", { type: "Exempt", exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }),
  limited("catch-all", 5, 0),
];

const suggestedLevels = [
  limited("system", 30, 33, queuing(64, 6)),
  limited("node-high", 40, 25, queuing(64, 6)),
  limited("leader-election", 10, 0, queuing(16, 4)),
  limited("workload-high", 40, 50, queuing(128, 6)),
  limited("workload-low", 100, 90, queuing(128, 6)),
  limited("global-default", 20, 50, queuing(128, 6)),
];

const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: "Group", group: { name } }));
const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: "User", user: { name } }));
const systemAccounts = (...names: string[]): Subject[] =>
  names.map((name) => ({ kind: "ServiceAccount", serviceAccount: { name, namespace: "kube-system" } }));

const anyone = groups("system:unauthenticated", "system:authenticated");
const everywhere = ["*"];
const everything = (subjects: Subject[]): PolicyRulesWithSubjects => ({
  subjects,
  resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], clusterScope: true, namespaces: everywhere }],
  nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
});

const elect = (apiGroup: string, ...resources: string[]): ResourcePolicyRule => ({
  verbs: ["get", "create", "update"],
  apiGroups: [apiGroup],
  resources,
  namespaces: everywhere,
});
const leases = elect("coordination.k8s.io", "leases");

interface SchemaRow {
  readonly name: string;
  readonly level: string;
  readonly precedence: number;
  readonly by?: "ByUser" | "ByNamespace";
  readonly rule: PolicyRulesWithSubjects;
}

function schema({ name, level: priorityLevel, precedence, by, rule }: SchemaRow) {
  return {
    apiVersion,
    kind: "FlowSchema",
    metadata: metadata(name),
    spec: {
      priorityLevelConfiguration: { name: priorityLevel },
      matchingPrecedence: precedence,
      ...(by ? { distinguisherMethod: { type: by } } : {}),
      rules: [rule],
    },
    status: {},
  } satisfies NewObject<FlowSchema>;
}

const mandatorySchemas = [
  schema({ name: "exempt", level: "exempt", precedence: 1, rule: everything(groups("system:masters")) }),
  schema({ name: "catch-all", level: "catch-all", precedence: 10_000, by: "ByUser", rule: everything(anyone) }),
];

const suggestedSchemas = [
  schema({
    name: "probes",
    level: "exempt",
    precedence: 2,
    rule: {
      subjects: anyone,
      nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/healthz", "/readyz", "/livez"] }],
    },
  }),
  schema({
    name: "system-leader-election",
    level: "leader-election",
    precedence: 100,
    by: "ByUser",
    rule: {
      subjects: [...users("system:kube-controller-manager", "system:kube-scheduler"), ...systemAccounts("*")],
      resourceRules: [leases],
    },
  }),
  schema({
    name: "endpoint-controller",
    level: "workload-high",
    precedence: 150,
    by: "ByUser",
    rule: {
      subjects: [
        ...users("system:kube-controller-manager"),
        ...systemAccounts("endpoint-controller", "endpointslicemirroring-controller"),
      ],
      resourceRules: [elect("", "endpoints")],
    },
  }),
  schema({
    name: "workload-leader-election",
    level: "leader-election",
    precedence: 200,
    by: "ByUser",
    rule: { subjects: systemAccounts("*"), resourceRules: [elect("", "endpoints", "configmaps"), leases] },
  }),
  schema({
    name: "system-node-high",
    level: "node-high",
    precedence: 400,
    by: "ByUser",
    rule: {
      subjects: groups("system:nodes"),
      resourceRules: [
        { verbs: ["*"], apiGroups: [""], resources: ["nodes", "nodes/status"], clusterScope: true },
        { verbs: ["*"], apiGroups: ["coordination.k8s.io"], resources: ["leases"], namespaces: everywhere },
      ],
    },
  }),
  schema({
    name: "system-nodes",
    level: "system",
    precedence: 500,
    by: "ByUser",
    rule: everything(groups("system:nodes")),
  }),
  ...["kube-controller-manager", "kube-scheduler"].map((name) =>
    schema({
      name,
      level: "workload-high",
      precedence: 800,
      by: "ByNamespace",
      rule: everything(users(`system:${name}`)),
    }),
  ),
  schema({
    name: "kube-system-service-accounts",
    level: "workload-high",
    precedence: 900,
    by: "ByNamespace",
    rule: everything(systemAccounts("*")),
  }),
  schema({
    name: "service-accounts",
    level: "workload-low",
    precedence: 9000,
    by: "ByUser",
    rule: everything(groups("system:serviceaccounts")),
  }),
  schema({
    name: "global-default",
    level: "global-default",
    precedence: 9900,
    by: "ByUser",
    rule: everything(anyone),
  }),
];

export const bootstrapLevels = [...mandatoryLevels, ...suggestedLevels];
export const bootstrapSchemas = [...mandatorySchemas, ...suggestedSchemas];
const mandatory: ReadonlySet<NewObject> = new Set([...mandatoryLevels, ...mandatorySchemas]);

/** What a FlowSchema's status says of the priority level that it names. */
export const dangling = (level: string, isDangling: boolean, now: number) => ({
  type: "Dangling",
  status: isDangling ? "True" : "False",
  lastTransitionTime: formatTime(now),
  reason: isDangling ? "NotFound" : "Found",
  message: `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)} ${
    isDangling ? "but there is no such object" : "and it exists"
  }`,
});

/** All of them as they are written at the first start. */
export const flowObjects = (now: number): readonly NewObject[] => [
  ...bootstrapLevels,
  ...bootstrapSchemas.map((object) => ({
    ...object,
    status: { conditions: [dangling(object.spec.priorityLevelConfiguration.name, false, now)] },
  })),
];

type FlowObject = FlowSchema | PriorityLevelConfiguration;

/** Whether the server has to bring an object back to `wanted`: always a mandatory one, a suggested one unless it was taken over. */
export function mustRestore(
  wanted: (typeof bootstrapLevels | typeof bootstrapSchemas)[number],
  found: FlowObject,
): boolean {
  if (deepEqual(wanted.spec, found.spec)) return false;
  if (mandatory.has(wanted)) return true;
  const answer = found.metadata.annotations?.[autoUpdate];
  return answer === undefined ? found.metadata.generation === 1 : answer === "true";
}
