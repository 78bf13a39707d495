// Checks that several storage kinds share. Follows kubernetes v1.36 pkg/apis/storage/validation/validation.go.
import { invalidValue, required, tooLong } from "../../machinery/field.ts";
import { dnsSubdomainErrors } from "../../machinery/names.ts";
import { type Errors, named } from "../checks.ts";

const maxParameters = 512;
const maxParametersBytes = 256 * 1024;
const maxDriverNameLength = 63;

/** Parameters of a class: named, few and short. */
export function parametersErrors(parameters: Readonly<Record<string, string>> | undefined): Errors {
  const entries = Object.entries(parameters ?? {});
  const errors: Errors = [];
  if (entries.length > maxParameters) errors.push(tooLong("parameters", maxParameters));
  if (entries.some(([key]) => key === "")) {
    errors.push(invalidValue("parameters", "", "field can not be empty."));
  }
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > maxParametersBytes) errors.push(tooLong("parameters", maxParametersBytes));
  return errors;
}

/** The name of a CSI driver. */
export function driverNameErrors(field: string, name: string | undefined): Errors {
  if (!name) return [required(field)];
  const errors = named(field, name.toLowerCase(), dnsSubdomainErrors);
  return name.length > maxDriverNameLength ? [...errors, tooLong(field, maxDriverNameLength)] : errors;
}
