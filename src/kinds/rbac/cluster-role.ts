// ClusterRole: what may be done in the whole cluster.
import type * as rbac from "../generated/rbac.v1.ts";
import { defineKind } from "../kind.ts";

export type ClusterRole = rbac.ClusterRole;

export const ClusterRole = defineKind<rbac.ClusterRole>({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind: "ClusterRole",
  plural: "clusterroles",
  namespaced: false,
  nameRule: "pathSegment",
});
