// The x-kubernetes-validations of a schema: CEL rules about values and about how they may change.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/schema/cel (validation.go, compilation.go: outcomes and texts).
import { BudgetError } from "../../machinery/cel/budget.ts";
import { compile, newEnvironment, type Program } from "../../machinery/cel/program.ts";
import { mostInRequest, schemaType } from "../../machinery/cel/schema.ts";
import { optionalOf } from "../../machinery/cel/type.ts";
import { Optional } from "../../machinery/cel/value.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { FieldError, FieldErrorType } from "../../machinery/errors.ts";
import { duplicate, forbiddenField, invalidValue, keyed, path, required } from "../../machinery/field.ts";
import type { JSONSchemaProps, ValidationRule } from "../generated/apiextensions.v1.ts";
import { isObject, itemsOf, memberOf, propertyOf, valuesOf } from "./schema.ts";
import { correlation } from "./validate.ts";

type Errors = FieldError[];

/**
 * Judges an object by its rules; `errors` are what the schema finds wrong already. Undefined when more than `steps` would
 * have to be taken, where there are fewer of them than an object may cost.
 */
export type Rules = (
  object: unknown,
  old: unknown,
  errors: readonly FieldError[],
  steps?: number,
) => readonly FieldError[] | undefined;

/** Steps for all rules of one object, as upstream's limit of a request in proportion to that of a call. */
const stepsPerObject = 10_000_000;
const maxMessageBytes = 5 * 1024;

/** A place in the schema with rules at it or below. */
interface Place {
  readonly schema: JSONSchemaProps;
  readonly isRoot: boolean;
  readonly rules: readonly ValidationRule[];
  readonly properties: ReadonlyMap<string, Place>;
  readonly values?: Place | undefined;
  readonly items?: Place | undefined;
  /** How often an object can have it, by maxItems and maxProperties; undefined when they leave it open. */
  readonly most: number | undefined;
  /** Made when the first object comes. */
  compiled?: readonly CompiledRule[];
}

interface CompiledRule {
  readonly rule: ValidationRule;
  readonly usesOld: boolean;
  readonly program?: Program;
  readonly message?: Program;
  /** Why there is no program. */
  readonly error?: string;
  /** Why there is no message program. */
  readonly messageError?: string;
}

/** The rules of a schema; undefined when it has none, so that CEL need not be loaded. */
export function compileRules(schema: JSONSchemaProps): Rules | undefined {
  const root = placeOf(schema, 1, true);
  if (!root) return undefined;
  return (object, old, errors, steps = stepsPerObject) => {
    if (errors.some(({ type }) => blocking.has(type))) return [uncheckedError];
    const walk: Walk = { errors: [], left: steps, isLimited: steps < stepsPerRule };
    judge(root, object, old, "", walk);
    return walk.isLimited && walk.left < 0 ? undefined : walk.errors;
  };
}

const blocking = new Set<FieldErrorType>([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);

const uncheckedError: FieldError = invalidValue(
  "<nil>",
  null,
  "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
);

const costPerRule = 10_000_000;
const costPerSchema = 100_000_000;
const mostNamed = 4;

interface Costs {
  total: number;
  readonly rules: { readonly field: string; readonly cost: number }[];
}

/** What is wrong with the rules of a schema, under the paths of the definition: how they are written, and what they may cost. */
export function ruleErrors(schema: JSONSchemaProps, at: string): Errors {
  const root = placeOf(schema, 1, true);
  if (!root) return [];
  const costs: Costs = { total: 0, rules: [] };
  const errors = compileErrors(root, at, costs);
  if (costs.total <= costPerSchema) return errors;
  const text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
  const most = costs.rules.toSorted((a, b) => b.cost - a.cost).slice(0, mostNamed);
  return [
    ...errors,
    ...most.map(({ field }) => forbiddenField(field, text)),
    forbiddenField(
      at,
      costText(
        "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema",
        costs.total,
        costPerSchema,
      ),
    ),
  ];
}

function costText(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const times = factor > 100 ? "more than 100x" : `${factor < 1.5 ? factor.toFixed(6) : factor.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${times} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

function costErrors(program: Program | undefined, what: string, field: string, place: Place, costs: Costs): Errors {
  if (!program) return [];
  const cost = program.maxCost() * (place.most ?? mostInRequest(place.schema));
  costs.total += cost;
  costs.rules.push({ field, cost });
  return cost > costPerRule ? [forbiddenField(field, costText(what, cost, costPerRule))] : [];
}

function compileErrors(place: Place, at: string, costs: Costs): Errors {
  const here = compiledOf(place).flatMap(({ rule, program, message, error, messageError, usesOld }, i) => {
    const field = path(at, "x-kubernetes-validations", i);
    const errors: Errors = [
      ...costErrors(program, "estimated rule cost", path(field, "rule"), place, costs),
      ...costErrors(message, "estimated messageExpression cost", path(field, "messageExpression"), place, costs),
    ];
    if (error) errors.push(invalidValue(path(field, "rule"), rule.rule, error));
    if (messageError) {
      errors.push(invalidValue(path(field, "messageExpression"), rule.messageExpression, messageError));
    }
    if (rule.optionalOldSelf && !usesOld) {
      errors.push(invalidValue(path(field, "optionalOldSelf"), true, "may not be set if oldSelf is not used in rule"));
    }
    if (rule.fieldPath && !schemaAt(place.schema, rule.fieldPath)) {
      errors.push(invalidValue(path(field, "fieldPath"), rule.fieldPath, "does not refer to a valid field"));
    }
    return errors;
  });
  return [
    ...here,
    ...[...place.properties].flatMap(([name, child]) =>
      compileErrors(child, keyed(path(at, "properties"), name), costs),
    ),
    ...(place.values ? compileErrors(place.values, path(at, "additionalProperties"), costs) : []),
    ...(place.items ? compileErrors(place.items, path(at, "items"), costs) : []),
  ];
}

const fieldSteps = /\.([^.[\]]+)|\['((?:[^'\\]|\\.)+)'\]/gy;

function schemaAt(schema: JSONSchemaProps, fieldPath: string): JSONSchemaProps | undefined {
  let at: JSONSchemaProps | undefined = schema;
  let end = 0;
  for (const match of fieldPath.matchAll(fieldSteps)) {
    at = at && memberOf(at, match[1] ?? match[2]!);
    end = match.index + match[0].length;
  }
  return end === fieldPath.length ? at : undefined;
}

function placeOf(schema: JSONSchemaProps, most: number | undefined, isRoot = false): Place | undefined {
  const properties = new Map<string, Place>();
  for (const name of Object.keys(schema.properties ?? {})) {
    const place = placeOf(propertyOf(schema, name)!, most);
    if (place) properties.set(name, place);
  }
  const below = (child: JSONSchemaProps | undefined, count: number | undefined) =>
    child && placeOf(child, most === undefined || count === undefined ? undefined : most * count);
  const values = below(valuesOf(schema), schema.maxProperties);
  const items = below(itemsOf(schema), schema.maxItems);
  const rules = schema["x-kubernetes-validations"] ?? [];
  if (rules.length === 0 && properties.size === 0 && !values && !items) return undefined;
  return { schema, isRoot, rules, properties, values, items, most };
}

function compiledOf(place: Place): readonly CompiledRule[] {
  return (place.compiled ??= compilePlace(place));
}

function compilePlace({ schema, isRoot, rules }: Place): readonly CompiledRule[] {
  if (rules.length === 0) return [];
  const type = schemaType(schema, "object", isRoot);
  const self = newEnvironment().registerVariable("self", type);
  const plain = self.clone().registerVariable("oldSelf", type);
  const optional = self.clone().registerVariable("oldSelf", optionalOf(type));
  return rules.map((rule): CompiledRule => {
    const environment = rule.optionalOldSelf ? optional : plain;
    const made = attempt(() => compile(environment, rule.rule));
    const message = rule.messageExpression ? attempt(() => compile(environment, rule.messageExpression!)) : undefined;
    return {
      rule,
      usesOld: typeof made !== "string" && made.uses("oldSelf"),
      ...resultOf(made, "bool", "cel expression must evaluate to a bool", "error", "program"),
      ...(message
        ? resultOf(message, "string", "messageExpression must evaluate to a string", "messageError", "message")
        : {}),
    } as CompiledRule;
  });
}

function attempt(make: () => Program): Program | string {
  try {
    return make();
  } catch (error) {
    return `compilation failed: ${(error as Error).message}`;
  }
}

function resultOf(made: Program | string, type: string, text: string, error: string, program: string): object {
  if (typeof made === "string") return { [error]: made };
  return made.type === type ? { [program]: made } : { [error]: text };
}

interface Walk {
  readonly errors: Errors;
  /** Steps that are left for the object; negative when they are used up. */
  left: number;
  /** Whether they are fewer than a single rule may take. */
  readonly isLimited: boolean;
}

function judge(place: Place, value: unknown, old: unknown, at: string, walk: Walk): void {
  if (value === undefined || value === null || walk.left < 0) return;
  if (place.rules.length > 0) judgeHere(place, value, old ?? undefined, at, walk);
  if (Array.isArray(value)) {
    if (!place.items) return;
    const correlate = correlation(place.schema, old);
    for (const [i, item] of value.entries()) judge(place.items, item, correlate(item), path(at, i), walk);
    return;
  }
  if (!isObject(value)) return;
  const before = isObject(old) ? old : {};
  for (const [name, child] of place.properties) judge(child, value[name], before[name], path(at, name), walk);
  if (!place.values) return;
  for (const [name, member] of Object.entries(value)) {
    if (!propertyOf(place.schema, name)) judge(place.values, member, before[name], keyed(at, name), walk);
  }
}

function judgeHere(place: Place, value: unknown, old: unknown, at: string, walk: Walk): void {
  const unchanged = old !== undefined && deepEqual(value, old);
  const field = at || "<nil>";
  const say = (text: string) => walk.errors.push(invalidValue(field, place.schema.type, text));
  for (const one of compiledOf(place)) {
    const { rule, usesOld, program, error } = one;
    if (usesOld && old === undefined && !rule.optionalOldSelf) continue;
    // What does not change may stay as wrong as it is; only rules about the change itself still count.
    if (!usesOld && unchanged) continue;
    if (!program) {
      say(`rule compile error: ${error}`);
      continue;
    }
    const before = !rule.optionalOldSelf ? old : old === undefined ? Optional.none : Optional.of(old);
    const variables = before === undefined ? { self: value } : { self: value, oldSelf: before };
    try {
      const { value: holds, spent } = program.run(variables, Math.min(walk.left, stepsPerRule));
      walk.left -= spent;
      if (holds !== true) walk.errors.push(failure(one, variables, at, place.schema.type ?? "", walk));
    } catch (problem) {
      if (problem instanceof BudgetError) {
        walk.left = -1;
        say(
          `'${problem.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${nameOf(rule)}`,
        );
        return;
      }
      say(`${(problem as Error).message} evaluating rule: ${nameOf(rule)}`);
    }
  }
}

const stepsPerRule = 1_000_000;
const nameOf = ({ message, rule }: ValidationRule) => (message || rule).trim();

function failure(
  { rule, message }: CompiledRule,
  variables: Readonly<Record<string, unknown>>,
  at: string,
  type: string,
  walk: Walk,
): FieldError {
  const detail =
    (message && messageOf(message, variables, walk)) ?? (rule.message?.trim() || `failed rule: ${rule.rule.trim()}`);
  const field = `${at}${fieldPathText(rule.fieldPath, at)}` || "<nil>";
  switch (rule.reason) {
    case "FieldValueForbidden":
      return forbiddenField(field, detail);
    case "FieldValueRequired":
      return required(field, detail);
    case "FieldValueDuplicate":
      return duplicate(field, type);
    default:
      return invalidValue(field, type, detail);
  }
}

/** A rule's own path, below where the rule is. */
function fieldPathText(fieldPath: string | undefined, at: string): string {
  if (!fieldPath) return "";
  const text = fieldPath.replaceAll(/\['((?:[^'\\]|\\.)+)'\]/g, "[$1]");
  return at === "" ? text.replace(/^\./, "") : text;
}

/** The text of a message expression; undefined when it fails or gives none. */
function messageOf(program: Program, variables: Readonly<Record<string, unknown>>, walk: Walk): string | undefined {
  try {
    const { value, spent } = program.run(variables, walk.isLimited ? walk.left : stepsPerRule);
    if (walk.isLimited) walk.left -= spent;
    const text = typeof value === "string" ? value.trim() : "";
    return text === "" || text.includes("\n") || Buffer.byteLength(text) > maxMessageBytes ? undefined : text;
  } catch (problem) {
    if (problem instanceof BudgetError && walk.isLimited) walk.left = -1;
    return undefined;
  }
}
