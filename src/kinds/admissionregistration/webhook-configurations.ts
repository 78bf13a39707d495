// ValidatingWebhookConfiguration and MutatingWebhookConfiguration: webhooks that may refuse or change requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, type Kind } from "../kind.ts";
import { defaultWebhooks, webhooksErrors } from "./webhook.ts";

export type ValidatingWebhookConfiguration = admissionregistration.ValidatingWebhookConfiguration;
export type MutatingWebhookConfiguration = admissionregistration.MutatingWebhookConfiguration;

const both: Partial<Kind<ValidatingWebhookConfiguration | MutatingWebhookConfiguration>> = {
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
  columns: [nameColumn, column("Webhooks", ({ webhooks }) => webhooks?.length ?? 0, { type: "integer" }), ageColumn],
  defaults: defaultWebhooks,
  validate: webhooksErrors,
};
const v1 = "admissionregistration.k8s.io/v1";

export const ValidatingWebhookConfiguration = defineKind<ValidatingWebhookConfiguration>(
  v1,
  "ValidatingWebhookConfiguration",
  both,
);

export const MutatingWebhookConfiguration = defineKind<MutatingWebhookConfiguration>(
  v1,
  "MutatingWebhookConfiguration",
  {
    ...both,
    defaults: (draft) => {
      defaultWebhooks(draft);
      for (const webhook of draft.webhooks ?? []) webhook.reinvocationPolicy ??= "Never";
    },
  },
);
