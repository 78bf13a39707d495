// Label selectors (text and object form) and field selectors.
// Follows kubernetes v1.36 apimachinery/pkg/labels, pkg/fields and apis/meta/v1/validation (grammar, rules, message forms).
import { badRequest, type FieldError } from "./errors.ts";
import { forbiddenField, invalidValue, path, required } from "./field.ts";
import { labelValueErrors, qualifiedNameErrors } from "./names.ts";

export type SelectorOperator = "in" | "notin" | "=" | "!=" | "exists" | "!" | "gt" | "lt";

export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

/** All requirements must hold; no requirement matches everything. */
export type Selector = readonly Requirement[];

/** The LabelSelector of the API; the object form. */
export interface LabelSelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

type Labels = Readonly<Record<string, string>> | undefined;

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "=":
      return value === values[0];
    case "in":
      return value !== undefined && values.includes(value);
    case "!=":
      return value !== values[0];
    case "notin":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "gt":
      return value !== undefined && /^[+-]?\d+$/.test(value) && BigInt(value) > BigInt(values[0]!);
    case "lt":
      return value !== undefined && /^[+-]?\d+$/.test(value) && BigInt(value) < BigInt(values[0]!);
  }
}

export const selectorMatches = (selector: Selector, labels: Labels): boolean =>
  selector.every((requirement) => holds(requirement, labels));

const operatorsOfObject: Readonly<Record<string, SelectorOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
};

/** Requirements of a LabelSelector object; undefined when there is none, which matches nothing. */
export function selectorOf(object: LabelSelectorObject | undefined | null): Selector | undefined {
  if (!object) return undefined;
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(object.matchLabels ?? {})) {
    requirements.push({ key, operator: "=", values: [value] });
  }
  for (const { key, operator, values = [] } of object.matchExpressions ?? []) {
    const known = operatorsOfObject[operator];
    if (!known) throw badRequest(`"${operator}" is not a valid label selector operator`);
    requirements.push({ key, operator: known, values: values });
  }
  return requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Whether a LabelSelector object selects these labels: absent selects nothing, empty everything. */
export function matchesLabels(object: LabelSelectorObject | undefined | null, labels: Labels): boolean {
  if (!object) return false;
  for (const key in object.matchLabels) {
    if (!labels || !Object.hasOwn(labels, key) || labels[key] !== object.matchLabels[key]) return false;
  }
  return (object.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const known = operatorsOfObject[operator];
    return known !== undefined && holds({ key, operator: known, values }, labels);
  });
}

/** The text form of a plain `key: value` selector (Services, ReplicationControllers). */
export const formatLabels = (labels: Labels): string =>
  Object.keys(labels ?? {})
    .sort()
    .map((key) => `${key}=${labels![key]}`)
    .join(",");

export function formatSelector(selector: Selector): string {
  return selector
    .map(({ key, operator, values }) => {
      if (operator === "exists") return key;
      if (operator === "!") return `!${key}`;
      if (operator === "in" || operator === "notin") return `${key} ${operator} (${[...values].sort().join(",")})`;
      return `${key}${operator === "gt" ? ">" : operator === "lt" ? "<" : operator}${values[0]}`;
    })
    .join(",");
}

/** The text form of a LabelSelector object, as Table columns show it; `<none>` for an absent or empty one. */
export function formatLabelSelector(object: LabelSelectorObject | undefined | null): string {
  if (object?.matchExpressions?.some(({ operator }) => !operatorsOfObject[operator])) return "<error>";
  const selector = selectorOf(object);
  return selector && selector.length > 0 ? formatSelector(selector) : "<none>";
}

type Token = { readonly text: string; readonly symbol: boolean };

function tokens(text: string): Token[] {
  const out: Token[] = [];
  for (const [match] of text.matchAll(/==|!=|[=!<>(),]|[^=!<>(),\s]+/g)) {
    out.push({ text: match, symbol: /^[=!<>(),]/.test(match) });
  }
  return out;
}

const selectorError = (detail: string) => badRequest(`unable to parse requirement: ${detail}`);

/** Parses `a=b,c!=d,e in (f,g),!h,i`; throws BadRequest. */
export function parseSelector(text: string): Selector {
  const input = tokens(text);
  const requirements: Requirement[] = [];
  let at = 0;
  const expectIdentifier = (expected: string): string => {
    const token = input[at];
    if (!token || token.symbol) throw selectorError(`found '${token?.text ?? ""}', expected: ${expected}`);
    at++;
    return token.text;
  };
  const valueList = (): string[] => {
    if (input[at]?.text !== "(") throw selectorError(`found '${input[at]?.text ?? ""}', expected: '('`);
    at++;
    const values: string[] = [];
    for (let value = ""; ; at++) {
      const token = input[at];
      if (!token) throw selectorError("found '', expected: ',', or ')'");
      if (token.text === "," || token.text === ")") {
        values.push(value);
        value = "";
        if (token.text === ")") break;
      } else if (token.symbol || value !== "") throw selectorError(`found '${token.text}', expected: ',', or ')'`);
      else value = token.text;
    }
    at++;
    return [...new Set(values)];
  };
  const requirement = (): Requirement => {
    if (input[at]?.text === "!") {
      at++;
      return { key: expectIdentifier("identifier"), operator: "!", values: [] };
    }
    const key = expectIdentifier("!, identifier, or 'end of string'");
    const next = input[at];
    if (!next || next.text === ",") return { key, operator: "exists", values: [] };
    at++;
    if (next.text === "in" || next.text === "notin") return { key, operator: next.text, values: valueList() };
    const operator = singleOperators[next.text];
    if (!operator) throw selectorError(`found '${next.text}', expected: in, notin, =, ==, !=, gt, lt`);
    const value = input[at];
    if (!value || value.text === ",") return { key, operator, values: [""] };
    return { key, operator, values: [expectIdentifier("identifier")] };
  };
  while (at < input.length) {
    requirements.push(checked(requirement()));
    const next = input[at];
    if (!next) break;
    if (next.text !== ",") throw selectorError(`found '${next.text}', expected: ',' or 'end of string'`);
    at++;
    if (at === input.length) throw selectorError("found '', expected: identifier after ','");
  }
  return requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

const singleOperators: Readonly<Record<string, SelectorOperator>> = {
  "=": "=",
  "==": "=",
  "!=": "!=",
  ">": "gt",
  "<": "lt",
};

function checked(requirement: Requirement): Requirement {
  const { key, operator, values } = requirement;
  const complaint = qualifiedNameErrors(key)[0];
  if (complaint) throw selectorError(`key: Invalid value: ${JSON.stringify(key)}: ${complaint}`);
  if ((operator === "gt" || operator === "lt") && !/^[+-]?\d+$/.test(values[0] ?? "")) {
    throw selectorError(
      `values[0]: Invalid value: ${JSON.stringify(values[0] ?? "")}: for 'Gt', 'Lt' operators, the value must be an integer`,
    );
  }
  values.forEach((value, i) => {
    const bad = labelValueErrors(value)[0];
    if (bad) throw selectorError(`values[${i}][${key}]: Invalid value: ${JSON.stringify(value)}: ${bad}`);
  });
  return requirement;
}

export interface FieldRequirement {
  readonly field: string;
  readonly value: string;
  /** True for `!=`. */
  readonly negated: boolean;
}

/** Parses `metadata.name=a,status.phase!=Running` (`\` escapes `,`, `=` and `\`); throws BadRequest. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  const out: FieldRequirement[] = [];
  for (const [term] of text.matchAll(/(?:\\.|[^,\\])+/gs)) {
    const match = /^((?:\\.|[^=!\\])*)(!=|==|=)(.*)$/s.exec(term);
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    out.push({ field: match[1]!.trim(), value: unescaped(match[3]!, text), negated: match[2] === "!=" });
  }
  return out;
}

function unescaped(value: string, text: string): string {
  if (/(^|[^\\])(\\\\)*[=]/.test(value)) throw badRequest(`invalid selector: '${text}'; can't understand '${value}'`);
  return value.replaceAll(/\\([\\,=])/g, "$1");
}

/** Complaints about a map of labels at `at`. */
export function labelErrors(labels: Labels, at: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key in labels) {
    const value = labels[key]!;
    for (const complaint of qualifiedNameErrors(key)) errors.push(invalidValue(at, key, complaint));
    for (const complaint of labelValueErrors(value)) errors.push(invalidValue(at, value, complaint));
  }
  return errors;
}

/** Complaints about a LabelSelector object at `at`. */
export function labelSelectorErrors(object: LabelSelectorObject | undefined | null, at: string): FieldError[] {
  if (!object) return [];
  const errors = labelErrors(object.matchLabels, path(at, "matchLabels"));
  object.matchExpressions?.forEach(({ key, operator, values = [] }, i) => {
    const here = path(at, "matchExpressions", i);
    if (operator === "In" || operator === "NotIn") {
      if (values.length === 0) {
        errors.push(required(path(here, "values"), "must be specified when `operator` is 'In' or 'NotIn'"));
      }
    } else if (operator === "Exists" || operator === "DoesNotExist") {
      if (values.length > 0) {
        errors.push(
          forbiddenField(path(here, "values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
      }
    } else errors.push(invalidValue(path(here, "operator"), operator, "not a valid selector operator"));
    for (const complaint of qualifiedNameErrors(key ?? ""))
      errors.push(invalidValue(path(here, "key"), key ?? "", complaint));
    values.forEach((value, j) => {
      for (const complaint of labelValueErrors(value)) {
        errors.push(invalidValue(path(here, "values", j), value, complaint));
      }
    });
  });
  return errors;
}
