// Which representation the client wants, from its Accept header. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/endpoints/handlers/negotiation (as/v/g parameters, order of preference).
import { notAcceptable } from "../../machinery/errors.ts";

export type Representation =
  | { readonly as: "object" }
  | { readonly as: "Table"; readonly version: "v1" | "v1beta1" }
  | { readonly as: "PartialObjectMetadata"; readonly version: "v1" | "v1beta1" };

export interface AcceptClause {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const wholeObject: Representation = { as: "object" };

/** The clauses of an Accept header, most wanted first. */
export function parseAccept(accept: string | undefined): AcceptClause[] {
  return (accept ?? "")
    .split(",")
    .map((text, order) => {
      const [type = "", ...rest] = text.split(";").map((part) => part.trim());
      const parameters: Record<string, string> = {};
      for (const parameter of rest) {
        const equals = parameter.indexOf("=");
        if (equals > 0) parameters[parameter.slice(0, equals).trim()] = parameter.slice(equals + 1).trim();
      }
      const quality = Number(parameters.q ?? 1);
      return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality, order };
    })
    .filter(({ type, quality }) => type !== "" && quality > 0)
    .toSorted((a, b) => b.quality - a.quality || a.order - b.order);
}

export const acceptsJson = (type: string): boolean =>
  type === "application/json" || type === "*/*" || type === "application/*";

/** The first clause that can be served; JSON is the only encoding. Throws NotAcceptable. */
export function negotiate(accept: string | undefined): Representation {
  if (accept === undefined || accept === "" || accept === "*/*" || accept === "application/json") return wholeObject;
  for (const { type, parameters } of parseAccept(accept)) {
    if (!acceptsJson(type)) continue;
    const as = parameters.as;
    if (as === undefined) return wholeObject;
    const version = parameters.v;
    if (parameters.g !== "meta.k8s.io" || (version !== "v1" && version !== "v1beta1")) continue;
    if (as === "Table") return { as: "Table", version };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList")
      return { as: "PartialObjectMetadata", version };
  }
  throw notAcceptable("only the following media types are accepted: application/json");
}
