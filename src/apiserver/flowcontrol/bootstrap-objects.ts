// The FlowSchemas and PriorityLevelConfigurations that every cluster has. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go and pkg/registry/flowcontrol/ensurer.
import type { FlowSchema } from "../../kinds/flowcontrol/flow-schema.ts";
import type { PriorityLevelConfiguration } from "../../kinds/flowcontrol/priority-level-configuration.ts";
import type { NonResourcePolicyRule, ResourcePolicyRule, Subject } from "../../kinds/generated/flowcontrol.v1.ts";
import { formatTime } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { NewObject } from "../../machinery/object.ts";
import table from "./bootstrap-objects.json" with { type: "json" };

const apiVersion = "flowcontrol.apiserver.k8s.io/v1";
/** Whether the server may bring a suggested object back to what is suggested. */
const autoUpdate = "apf.kubernetes.io/autoupdate-spec";
const metadata = (name: string) => ({ name, generation: 1, annotations: { [autoUpdate]: "true" } });

const queueLengthLimit = 50;

/** A level in its table; without queues, what is too much is refused, and without shares, nothing is. */
interface LevelRow {
  readonly name: string;
  readonly shares?: number;
  readonly lendablePercent?: number;
  readonly queues?: number;
  readonly handSize?: number;
}

function level({ name, shares, lendablePercent = 0, queues, handSize = 0 }: LevelRow) {
  const limitResponse = queues
    ? { type: "Queue", queuing: { queues, handSize, queueLengthLimit } }
    : { type: "Reject" };
  return {
    apiVersion,
    kind: "PriorityLevelConfiguration",
    metadata: metadata(name),
    spec:
      shares === undefined
        ? { type: "Exempt", exempt: { nominalConcurrencyShares: 0, lendablePercent } }
        : { type: "Limited", limited: { nominalConcurrencyShares: shares, lendablePercent, limitResponse } },
    status: {},
  } satisfies NewObject<PriorityLevelConfiguration>;
}

/** `user:`, `group:` or `account:` (of kube-system) and a name. */
function parseSubject(text: string): Subject {
  const colon = text.indexOf(":");
  const name = text.slice(colon + 1);
  if (text.startsWith("account:"))
    return { kind: "ServiceAccount", serviceAccount: { name, namespace: "kube-system" } };
  return text.startsWith("user:") ? { kind: "User", user: { name } } : { kind: "Group", group: { name } };
}

/** Where it holds (`cluster`, `namespaces` or both with a `+`), verbs, groups and resources; or `url`, verbs and paths. `core` is the group "". */
function parseRule(line: string): ResourcePolicyRule | NonResourcePolicyRule {
  const [place = "", verbList = "", ...rest] = line.split(" ");
  const verbs = verbList.split(",");
  if (place === "url") return { verbs, nonResourceURLs: rest };
  const [group, ...resources] = rest;
  return {
    verbs,
    apiGroups: [group === "core" ? "" : group!],
    resources,
    ...(place.includes("cluster") ? { clusterScope: true } : {}),
    ...(place.includes("namespaces") ? { namespaces: ["*"] } : {}),
  };
}

interface SchemaRow {
  readonly name: string;
  readonly level: string;
  readonly precedence: number;
  readonly by?: string;
  readonly subjects: readonly string[];
  readonly rules: readonly string[];
}

function schema({ name, level: priorityLevel, precedence, by, subjects, rules: lines }: SchemaRow) {
  const rules = lines.map(parseRule);
  const resourceRules = rules.filter((rule) => "resources" in rule);
  const nonResourceRules = rules.filter((rule) => "nonResourceURLs" in rule);
  return {
    apiVersion,
    kind: "FlowSchema",
    metadata: metadata(name),
    spec: {
      priorityLevelConfiguration: { name: priorityLevel },
      matchingPrecedence: precedence,
      ...(by ? { distinguisherMethod: { type: by } } : {}),
      rules: [
        {
          subjects: subjects.map(parseSubject),
          ...(resourceRules.length > 0 ? { resourceRules } : {}),
          ...(nonResourceRules.length > 0 ? { nonResourceRules } : {}),
        },
      ],
    },
    status: {},
  } satisfies NewObject<FlowSchema>;
}

export const bootstrapLevels = table.levels.map(level);
export const bootstrapSchemas = table.schemas.map(schema);
/** Without these a request could find no level, so they cannot be changed or removed. */
const isMandatory = ({ metadata: { name } }: { metadata: { name: string } }) => ["exempt", "catch-all"].includes(name);

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
  if (isMandatory(wanted)) return true;
  const answer = found.metadata.annotations?.[autoUpdate];
  return answer === undefined ? found.metadata.generation === 1 : answer === "true";
}
