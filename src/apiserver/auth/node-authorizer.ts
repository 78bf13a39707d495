// What a node may do: its own objects, and what its pods need. Follows kubernetes v1.36 plugin/pkg/auth/authorizer/node
// (node_authorizer.go: checks and reasons; selectors of nodes and pods count).
import type { PolicyRule } from "../../kinds/generated/rbac.v1.ts";
import type { Store } from "../../store/store.ts";
import { nodeRules } from "../rbac/default-roles.ts";
import { ruleAllows } from "../rbac/rules.ts";
import type { Attributes, Authorizer, Decision, UserInfo } from "../types.ts";
import { openNodeGraph, type NodeGraph, type RelatedResource } from "./node-graph.ts";

const prefix = "system:node:";
const leaseNamespace = "kube-node-lease";

/** The node that this user is; "" when it is one of no name; undefined when it is none. */
export function nodeNameOf({ name, groups }: UserInfo): string | undefined {
  return name.startsWith(prefix) && groups.includes("system:nodes") ? name.slice(prefix.length) : undefined;
}

const allow: Decision = { allowed: true, reason: "" };
const noOpinion = (reason: string): Decision => ({ allowed: false, reason });

interface Question extends Attributes {
  readonly nodeName: string;
  readonly graph: NodeGraph;
}

/** Allows or has no opinion. The graph is made with the first request of a node. */
export function createNodeAuthorizer(store: Store): Authorizer {
  let graph: NodeGraph | undefined;
  return {
    authorize(attributes) {
      const nodeName = nodeNameOf(attributes.user);
      if (nodeName === undefined) return noOpinion("");
      if (nodeName === "") return noOpinion(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
      const { path, group, resource } = attributes;
      const check = path === undefined ? checks[group ? `${resource}.${group}` : resource] : undefined;
      const decision = check?.({ ...attributes, nodeName, graph: (graph ??= openNodeGraph(store)) });
      return decision ?? (nodeRules().some((rule: PolicyRule) => ruleAllows(rule, attributes)) ? allow : noOpinion(""));
    },
    rulesFor: (user) => ({
      resourceRules: [],
      nonResourceRules: [],
      ...(nodeNameOf(user) === undefined
        ? {}
        : { incomplete: "node authorizer does not support user rule resolution" }),
    }),
  };
}

function related({ graph, namespace, name, nodeName }: Question, resource: RelatedResource): Decision {
  if (!name) return noOpinion("No Object name found");
  if (graph.isRelated(resource, namespace, name, nodeName)) return allow;
  return noOpinion(`no relationship found between node '${nodeName}' and this object`);
}

const readNamespaced = (resource: RelatedResource) => (question: Question) => {
  if (!["get", "list", "watch"].includes(question.verb)) return noOpinion("can only read resources of this type");
  if (question.subresource) return noOpinion("cannot read subresource");
  if (!question.namespace) return noOpinion("can only read namespaced object of this type");
  return related(question, resource);
};

const getOnly = (resource: RelatedResource) => (question: Question) => {
  if (question.verb !== "get") return noOpinion("can only get individual resources of this type");
  if (question.subresource) return noOpinion("cannot get subresource");
  return related(question, resource);
};

const writesOwn = ["get", "create", "update", "patch", "delete"];

/** Whether the request is limited to objects whose field `spec.nodeName` is the node. */
const selectsOwn = ({ fieldSelector, nodeName }: Question) =>
  fieldSelector?.some(({ field, value, negated }) => field === "spec.nodeName" && value === nodeName && !negated);

function checkAccount(question: Question): Decision {
  const { verb, subresource, name } = question;
  if (subresource === "" && verb === "get") return related(question, "serviceaccounts");
  if (verb !== "create" || !name) return noOpinion("can only create tokens for individual service accounts");
  if (subresource !== "token") return noOpinion("can only create token subresource of service account");
  return related(question, "serviceaccounts");
}

function checkClaim(question: Question): Decision {
  if (question.subresource !== "status") return getOnly("persistentvolumeclaims")(question);
  if (!["update", "patch"].includes(question.verb)) return noOpinion("can only get/update/patch this type");
  return related(question, "persistentvolumeclaims");
}

function checkLease({ verb, namespace, name, nodeName }: Question): Decision {
  if (!writesOwn.includes(verb)) return noOpinion("can only get, create, update, patch, or delete a node lease");
  if (namespace !== leaseNamespace) {
    return noOpinion(`can only access leases in the ${JSON.stringify(leaseNamespace)} system namespace`);
  }
  // The name in a create is not known here; NodeRestriction looks at it.
  if (verb === "create" || name === nodeName) return allow;
  return noOpinion("can only access node lease with the same name as the requesting node");
}

function checkCsiNode({ verb, subresource, name, nodeName }: Question): Decision {
  if (!writesOwn.includes(verb)) return noOpinion("can only get, create, update, patch, or delete a CSINode");
  if (subresource) return noOpinion("cannot authorize CSINode subresources");
  if (verb === "create" || name === nodeName) return allow;
  return noOpinion("can only access CSINode with the same name as the requesting node");
}

function checkSlice(question: Question): Decision {
  if (question.subresource) return noOpinion("cannot authorize ResourceSlice subresources");
  switch (question.verb) {
    case "create":
      return allow;
    case "get":
    case "update":
    case "patch":
    case "delete":
      return related(question, "resourceslices");
    case "list":
    case "watch":
    case "deletecollection":
      if (selectsOwn(question)) return allow;
      return noOpinion("can only list/watch/deletecollection resourceslices with nodeName field selector");
    default:
      return noOpinion(
        "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
      );
  }
}

function checkNode({ verb, subresource, name, nodeName }: Question): Decision {
  // NodeRestriction sees to it that it writes its own only.
  const writes = subresource === "status" ? ["update", "patch"] : subresource ? [] : ["create", "update", "patch"];
  if (writes.includes(verb)) return allow;
  if (subresource || !["get", "list", "watch"].includes(verb)) return noOpinion("");
  if (name === nodeName) return allow;
  const what = name ? `'${name}'` : "all nodes";
  return noOpinion(`node '${nodeName}' cannot read ${what}, only its own Node object`);
}

function checkPod(question: Question): Decision {
  const { verb, subresource, name } = question;
  const writes: Readonly<Record<string, readonly string[]>> = {
    "": ["create", "delete"],
    status: ["update", "patch"],
    eviction: ["create"],
  };
  if (writes[subresource]?.includes(verb)) return allow;
  if (subresource) return noOpinion("");
  if (verb === "get") return related(question, "pods");
  if (verb !== "list" && verb !== "watch") return noOpinion("");
  if (selectsOwn(question)) return allow;
  if (name) return related(question, "pods");
  return noOpinion("can only list/watch pods with spec.nodeName field selector");
}

/** Access to these is narrower than the static rules for nodes. */
const checks: Readonly<Record<string, (question: Question) => Decision>> = {
  secrets: readNamespaced("secrets"),
  configmaps: readNamespaced("configmaps"),
  persistentvolumeclaims: checkClaim,
  persistentvolumes: getOnly("persistentvolumes"),
  "resourceclaims.resource.k8s.io": getOnly("resourceclaims"),
  "volumeattachments.storage.k8s.io": getOnly("volumeattachments"),
  serviceaccounts: checkAccount,
  "leases.coordination.k8s.io": checkLease,
  "csinodes.storage.k8s.io": checkCsiNode,
  "resourceslices.resource.k8s.io": checkSlice,
  nodes: checkNode,
  pods: checkPod,
};
