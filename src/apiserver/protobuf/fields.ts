// The wire facts of the API types, message → fields, read from fields.json when the first protobuf body comes or goes.
import { readFileSync } from "node:fs";

/** Flag 1: a zero on the wire was meant (pointers and fields that JSON always writes); 2: its fields belong to the parent. */
export type Row = readonly [number: number, name: string, type: string, flag?: 1 | 2];

let table: Readonly<Record<string, readonly Row[]>> | undefined;

/** Fields of a message such as `core.v1.Pod`: [number, JSON name, type, flag]; undefined when it has no such form. */
export function rowsOf(message: string): readonly Row[] | undefined {
  table ??= JSON.parse(readFileSync(new URL("fields.json", import.meta.url), "utf8")) as typeof table;
  return Object.hasOwn(table!, message) ? table![message] : undefined;
}

const bodySchemas: Readonly<Record<string, string>> = {
  "v1 APIGroup": "meta.v1.APIGroup",
  "v1 APIGroupList": "meta.v1.APIGroupList",
  "v1 APIResourceList": "meta.v1.APIResourceList",
  "v1 APIVersions": "meta.v1.APIVersions",
  "v1 Binding": "core.v1.Binding",
  "v1 Status": "meta.v1.Status",
  "meta.k8s.io/v1 PartialObjectMetadata": "meta.v1.PartialObjectMetadata",
  "policy/v1 Eviction": "policy.v1.Eviction",
  "autoscaling/v1 Scale": "autoscaling.v1.Scale",
  "authentication.k8s.io/v1 TokenRequest": "authentication.v1.TokenRequest",
};

/** The message of a body that is no kind of its own. DeleteOptions belong to every group: clients name the object's. */
export const bodySchemaOf = (apiVersion: string, kind: string): string | undefined =>
  kind === "DeleteOptions" ? "meta.v1.DeleteOptions" : bodySchemas[`${apiVersion} ${kind}`];
