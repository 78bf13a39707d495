// CustomResourceDefinition: adds a kind to the API.
import type * as apiextensions from "../generated/apiextensions.v1.ts";
import { defineKind } from "../kind.ts";

export type CustomResourceDefinition = apiextensions.CustomResourceDefinition;

export const CustomResourceDefinition = defineKind<apiextensions.CustomResourceDefinition>({
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
