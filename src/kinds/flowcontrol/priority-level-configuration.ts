// PriorityLevelConfiguration: limits requests of one priority level.
// Follows kubernetes v1.36 pkg/apis/flowcontrol/v1/defaults.go and pkg/apis/flowcontrol/validation/validation.go.
import type * as flowcontrol from "../generated/flowcontrol.v1.ts";
import { forbiddenField, invalidValue, required } from "../../machinery/field.ts";
import { all, type Errors, fields, notNegative, oneOf, positive, within } from "../checks.ts";
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

const queuingErrors = (at: string, queuing: flowcontrol.QueuingConfiguration): Errors => {
  const { queues = 0, handSize = 0 } = queuing;
  return all(
    fields(at, queuing, { queueLengthLimit: positive }),
    positive(`${at}.queues`, queues),
    positive(`${at}.handSize`, handSize),
    queues > mostQueues && invalidValue(`${at}.queues`, queues, `must not be greater than ${mostQueues}`),
    handSize > queues && invalidValue(`${at}.handSize`, handSize, `should not be greater than queues (${queues})`),
  );
};

function responseErrors(at: string, { type, queuing }: Partial<flowcontrol.LimitResponse> = {}): Errors {
  const field = `${at}.queuing`;
  const limited = "if limited.limitResponse.type is";
  return all(
    oneOf(`${at}.type`, type, ["Queue", "Reject"]),
    type === "Reject" && queuing && forbiddenField(field, `must be nil ${limited} not Limited`),
    type === "Queue" &&
      (queuing ? queuingErrors(field, queuing) : required(field, `must not be empty ${limited} Limited`)),
  );
}

function validate({ metadata, spec }: PriorityLevelConfiguration): Errors {
  const { type = "", exempt, limited } = spec ?? {};
  return all(
    oneOf("spec.type", type, ["Exempt", "Limited"]),
    metadata.name === "exempt" &&
      type !== "Exempt" &&
      invalidValue("spec.type", type, 'type must be "Exempt" for the "exempt" priority level'),
    type === "Exempt" && limited && forbiddenField("spec.limited", "must be nil if the type is not Limited"),
    type === "Limited" && exempt && forbiddenField("spec.exempt", "must be nil if the type is Limited"),
    type === "Limited" &&
      (limited
        ? fields("spec.limited", limited, {
            nominalConcurrencyShares: notNegative,
            lendablePercent: (at, percent) => within(at, percent, 0, 100),
            borrowingLimitPercent: notNegative,
            limitResponse: responseErrors,
          })
        : required("spec.limited", "must not be empty when type is Limited")),
  );
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
