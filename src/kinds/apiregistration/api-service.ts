// APIService: an API group version and who serves it.
import type * as apiregistration from "../generated/apiregistration.v1.ts";
import { defineKind } from "../kind.ts";

export type APIService = apiregistration.APIService;

export const APIService = defineKind<apiregistration.APIService>({
  group: "apiregistration.k8s.io",
  version: "v1",
  kind: "APIService",
  plural: "apiservices",
  namespaced: false,
  nameRule: "pathSegment",
  categories: ["api-extensions"],
  subresources: {
    status: true,
  },
});
