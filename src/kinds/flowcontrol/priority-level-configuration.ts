// PriorityLevelConfiguration: limits requests of one priority level.
// Follows kubernetes v1.36 pkg/apis/flowcontrol/v1/defaults.go and pkg/apis/flowcontrol/validation/validation.go.
import type * as flowcontrol from "../generated/flowcontrol.v1.ts";
import { forbiddenField, invalidValue, required } from "../../machinery/field.ts";
import { type Errors, notNegative, oneOf, positive, within } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type PriorityLevelConfiguration = flowcontrol.PriorityLevelConfiguration;

const mostQueues = 10_000_000;

function setDefaults({ spec }: PriorityLevelConfiguration): void {
  if (!spec) return;
  if (spec.exempt) {
    spec.exempt.nominalConcurrencyShares ??= 0;
    spec.exempt.lendablePercent ??= 0;
  }
  if (!spec.limited) return;
  spec.limited.nominalConcurrencyShares ??= 30;
  spec.limited.lendablePercent ??= 0;
  const queuing = spec.limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.queues ||= 64;
  queuing.handSize ||= 8;
  queuing.queueLengthLimit ||= 50;
}

function queuingErrors(queuing: flowcontrol.QueuingConfiguration): Errors {
  const at = "spec.limited.limitResponse.queuing";
  const { queues = 0, handSize = 0, queueLengthLimit } = queuing;
  const errors = [
    ...positive(`${at}.queueLengthLimit`, queueLengthLimit),
    ...positive(`${at}.queues`, queues),
    ...positive(`${at}.handSize`, handSize),
  ];
  if (queues > mostQueues) {
    errors.push(invalidValue(`${at}.queues`, queues, `must not be greater than ${mostQueues}`));
  }
  if (handSize > queues) {
    errors.push(invalidValue(`${at}.handSize`, handSize, `should not be greater than queues (${queues})`));
  }
  return errors;
}

function limitedErrors(limited: flowcontrol.LimitedPriorityLevelConfiguration): Errors {
  const at = "spec.limited";
  const response = limited.limitResponse;
  const errors = [
    ...notNegative(`${at}.nominalConcurrencyShares`, limited.nominalConcurrencyShares),
    ...within(`${at}.lendablePercent`, limited.lendablePercent, 0, 100),
    ...notNegative(`${at}.borrowingLimitPercent`, limited.borrowingLimitPercent),
    ...oneOf(`${at}.limitResponse.type`, response?.type, ["Queue", "Reject"]),
  ];
  const field = `${at}.limitResponse.queuing`;
  if (response?.type === "Reject" && response.queuing) {
    errors.push(forbiddenField(field, "must be nil if limited.limitResponse.type is not Limited"));
  }
  if (response?.type !== "Queue") return errors;
  return response.queuing
    ? [...errors, ...queuingErrors(response.queuing)]
    : [...errors, required(field, "must not be empty if limited.limitResponse.type is Limited")];
}

function validate({ metadata, spec }: PriorityLevelConfiguration): Errors {
  const errors = oneOf("spec.type", spec?.type, ["Exempt", "Limited"]);
  if (metadata.name === "exempt" && spec?.type !== "Exempt") {
    errors.push(invalidValue("spec.type", spec?.type ?? "", 'type must be "Exempt" for the "exempt" priority level'));
  }
  if (spec?.type === "Exempt" && spec.limited) {
    errors.push(forbiddenField("spec.limited", "must be nil if the type is not Limited"));
  }
  if (spec?.type !== "Limited") return errors;
  if (spec.exempt) errors.push(forbiddenField("spec.exempt", "must be nil if the type is Limited"));
  return spec.limited
    ? [...errors, ...limitedErrors(spec.limited)]
    : [...errors, required("spec.limited", "must not be empty when type is Limited")];
}

const queuingOf = ({ spec }: PriorityLevelConfiguration) => spec?.limited?.limitResponse?.queuing;

export const PriorityLevelConfiguration = defineKind<PriorityLevelConfiguration>(
  "flowcontrol.apiserver.k8s.io/v1",
  "PriorityLevelConfiguration",
  {
    namespaced: false,
    hasGeneration: true,
    subresources: { status: true },
    columns: [
      nameColumn,
      column("Type", ({ spec }) => spec?.type ?? ""),
      column("NominalConcurrencyShares", ({ spec }) =>
        String((spec?.limited ?? spec?.exempt)?.nominalConcurrencyShares ?? "<none>"),
      ),
      column("Queues", (level) => String(queuingOf(level)?.queues ?? "<none>")),
      column("HandSize", (level) => String(queuingOf(level)?.handSize ?? "<none>")),
      column("QueueLengthLimit", (level) => String(queuingOf(level)?.queueLengthLimit ?? "<none>")),
      ageColumn,
    ],
    defaults: setDefaults,
    prepareForCreate: statusAtFirst({}),
    validate,
  },
);
