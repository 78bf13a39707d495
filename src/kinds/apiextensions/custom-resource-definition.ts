// CustomResourceDefinition: adds a kind to the API.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go and registry/customresourcedefinition/strategy.go.
import type * as apiextensions from "../generated/apiextensions.v1.ts";
import { defaultClientConfig } from "../admissionregistration/webhook.ts";
import { createdColumns } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { validateDefinition, validateDefinitionUpdate } from "./validation.ts";

export type CustomResourceDefinition = apiextensions.CustomResourceDefinition;

function setDefaults({ spec }: CustomResourceDefinition): void {
  if (!spec) return;
  const names = spec.names;
  if (names?.kind) {
    names.singular ||= names.kind.toLowerCase();
    names.listKind ||= `${names.kind}List`;
  }
  spec.conversion ??= { strategy: "None" };
  defaultClientConfig(spec.conversion.webhook?.clientConfig);
}

/** Versions in which objects may be stored by now: never forgotten, only added to. */
function rememberStoredVersion(draft: CustomResourceDefinition, old?: CustomResourceDefinition): void {
  const before = old?.status?.storedVersions ?? [];
  const stored = draft.spec?.versions?.filter(({ storage }) => storage).map(({ name }) => name) ?? [];
  const status = draft.status ?? {};
  draft.status = { ...status, storedVersions: [...new Set([...before, ...stored])] };
}

export const CustomResourceDefinition = defineKind<CustomResourceDefinition>(
  "apiextensions.k8s.io/v1",
  "CustomResourceDefinition",
  {
    namespaced: false,
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    hasGeneration: true,
    cleanupFinalizer: "customresourcecleanup.apiextensions.k8s.io",
    subresources: { status: true },
    columns: createdColumns,
    defaults: setDefaults,
    prepareForCreate: (draft) => {
      draft.status = { conditions: [], acceptedNames: { plural: "", kind: "" } };
      rememberStoredVersion(draft);
    },
    prepareForUpdate: rememberStoredVersion,
    validate: validateDefinition,
    validateUpdate: validateDefinitionUpdate,
  },
);
