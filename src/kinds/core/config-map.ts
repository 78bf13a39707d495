// ConfigMap: configuration as keys and values.
import type * as core from "../generated/core.v1.ts";
import { invalidValue, keyed, tooLong } from "../../machinery/field.ts";
import { configMapKeyErrors } from "../../machinery/names.ts";
import { complaints, eachEntry } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { immutableDataErrors, maxDataBytes } from "./immutable-data.ts";
import { defineKind } from "../kind.ts";

export type ConfigMap = core.ConfigMap;

export const ConfigMap = defineKind<ConfigMap>("v1", "ConfigMap", {
  shortNames: ["cm"],
  columns: [
    nameColumn,
    column("Data", (map) => Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length),
    ageColumn,
  ],
  validate: (map) => {
    const texts = Object.values(map.data ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const blobs = Object.values(map.binaryData ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text, "base64"), 0);
    return [
      ...eachEntry("data", map.data, (at, _, key) => [
        ...complaints(at, key, configMapKeyErrors(key)),
        ...(map.binaryData && Object.hasOwn(map.binaryData, key)
          ? [invalidValue(keyed("data", key), key, "duplicate of key present in binaryData")]
          : []),
      ]),
      ...eachEntry("binaryData", map.binaryData, (at, _, key) => complaints(at, key, configMapKeyErrors(key))),
      ...(texts + blobs > maxDataBytes ? [tooLong("", maxDataBytes)] : []),
    ];
  },
  validateUpdate: (map, old) => immutableDataErrors(map, old, ["data", "binaryData"]),
});
