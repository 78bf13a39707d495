// ValidatingWebhookConfiguration: webhooks that may refuse requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultWebhooks, webhooksErrors } from "./webhook.ts";
import { defineKind } from "../kind.ts";

export type ValidatingWebhookConfiguration = admissionregistration.ValidatingWebhookConfiguration;

export const ValidatingWebhookConfiguration = defineKind<admissionregistration.ValidatingWebhookConfiguration>({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
  columns: [nameColumn, column("Webhooks", ({ webhooks }) => webhooks?.length ?? 0, { type: "integer" }), ageColumn],
  defaults: defaultWebhooks,
  validate: webhooksErrors,
});
