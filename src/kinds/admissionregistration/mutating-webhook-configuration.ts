// MutatingWebhookConfiguration: webhooks that may change requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultWebhooks, webhooksErrors } from "./webhook.ts";
import { defineKind } from "../kind.ts";

export type MutatingWebhookConfiguration = admissionregistration.MutatingWebhookConfiguration;

export const MutatingWebhookConfiguration = defineKind<admissionregistration.MutatingWebhookConfiguration>({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "MutatingWebhookConfiguration",
  plural: "mutatingwebhookconfigurations",
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
  columns: [nameColumn, column("Webhooks", ({ webhooks }) => webhooks?.length ?? 0, { type: "integer" }), ageColumn],
  defaults: (draft) => {
    defaultWebhooks(draft);
    for (const webhook of draft.webhooks ?? []) webhook.reinvocationPolicy ??= "Never";
  },
  validate: webhooksErrors,
});
