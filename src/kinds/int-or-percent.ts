// Checks of counts that may also be given as a percentage ("25%").
import { invalidValue } from "../machinery/field.ts";
import { complaints, type Errors, notNegative } from "./checks.ts";

type IntOrPercent = number | string | undefined;

const percentComplaint =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

const percentOf = (value: IntOrPercent): number | undefined =>
  typeof value === "string" && /^\d+%$/.test(value) ? Number(value.slice(0, -1)) : undefined;

/** A number that is not negative, or a percentage. */
export function intOrPercentErrors(field: string, value: IntOrPercent): Errors {
  if (typeof value === "number") return notNegative(field, value);
  return value === undefined || percentOf(value) !== undefined ? [] : complaints(field, value, [percentComplaint]);
}

/** The same, and a percentage may not exceed 100. */
export function shareErrors(field: string, value: IntOrPercent): Errors {
  const errors = intOrPercentErrors(field, value);
  return (percentOf(value) ?? 0) > 100 ? [...errors, invalidValue(field, value, "must not exceed 100%")] : errors;
}

/** True for 0, "0%" and absent. */
export const isZero = (value: IntOrPercent): boolean => value === undefined || value === 0 || percentOf(value) === 0;
