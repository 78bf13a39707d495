// Which representation the client wants, from its Accept header. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/endpoints/handlers/negotiation (as/v/g parameters, order of preference).
import { notAcceptable } from "../../machinery/errors.ts";
import { protobufType } from "../protobuf/decode.ts";

/** `protobuf` is set when it is to be sent in that encoding instead of JSON. */
export type Representation =
  | { readonly as: "object"; readonly protobuf?: true }
  | { readonly as: "Table"; readonly version: "v1" | "v1beta1"; readonly protobuf?: never }
  | { readonly as: "PartialObjectMetadata"; readonly version: "v1" | "v1beta1"; readonly protobuf?: true };

export interface AcceptClause {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export const yamlType = "application/yaml";

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

/** Whether the client would rather have protobuf than anything else; for answers that are no objects of a kind. */
export const prefersProtobuf = (accept: string | undefined): boolean =>
  accept !== undefined && accept.includes(protobufType) && parseAccept(accept)[0]?.type === protobufType;

/** The first clause that can be served. `hasProtobuf` says whether whole objects have a protobuf form. Throws NotAcceptable. */
export function negotiate(accept: string | undefined, hasProtobuf: () => boolean = () => false): Representation {
  if (accept === undefined || accept === "" || accept === "*/*" || accept === "application/json") return wholeObject;
  for (const { type, parameters } of parseAccept(accept)) {
    const protobuf = type === protobufType;
    // JSON becomes YAML when it is answered.
    if (!protobuf && type !== yamlType && !acceptsJson(type)) continue;
    const as = parameters.as;
    if (as === undefined) {
      if (!protobuf) return wholeObject;
      if (hasProtobuf()) return { as: "object", protobuf };
      continue;
    }
    const version = parameters.v;
    if (parameters.g !== "meta.k8s.io" || (version !== "v1" && version !== "v1beta1")) continue;
    if (as === "Table" && !protobuf) return { as: "Table", version };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList")
      return { as: "PartialObjectMetadata", version, ...(protobuf ? { protobuf } : {}) };
  }
  const types = `application/json, ${yamlType}${hasProtobuf() ? `, ${protobufType}` : ""}`;
  throw notAcceptable(`only the following media types are accepted: ${types}`);
}
