// CertificateSigningRequest: asks a signer for a certificate.
// Follows kubernetes v1.36 pkg/apis/certificates/validation/validation.go and pkg/registry/certificates/certificates/strategy.go.
import type * as certificates from "../generated/certificates.v1.ts";
import { formatAge } from "../../machinery/duration.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { duplicate, forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { complaints, each, type Errors, oneOf } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type CertificateSigningRequest = certificates.CertificateSigningRequest;

const shortestSeconds = 600;
const longestSignerPart = 571;
const usages = [
  "any",
  "cert sign",
  "client auth",
  "code signing",
  "content commitment",
  "crl sign",
  "data encipherment",
  "decipher only",
  "digital signature",
  "email protection",
  "encipher only",
  "ipsec end system",
  "ipsec tunnel",
  "ipsec user",
  "key agreement",
  "key encipherment",
  "microsoft sgc",
  "netscape sgc",
  "ocsp signing",
  "s/mime",
  "server auth",
  "signing",
  "timestamping",
];
const pemRequest =
  /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\s+([A-Za-z0-9+/=\s]+)-----END (NEW )?CERTIFICATE REQUEST-----\s*$/;

function requestErrors(request: string | undefined): Errors {
  if (!request) return [required("spec.request")];
  const match = pemRequest.exec(Buffer.from(request, "base64").toString("latin1"));
  // A PKCS#10 request is a DER sequence.
  const der = match && Buffer.from(match[2]!, "base64");
  if (der && der[0] === 0x30) return [];
  return [invalidValue("spec.request", request, "PEM block type must be CERTIFICATE REQUEST")];
}

/** `example.com/name`: a domain and what the signer is called there. */
function signerErrors(signer: string | undefined): Errors {
  const at = "spec.signerName";
  if (!signer) return [required(at)];
  const parts = signer.split("/");
  const [domain = "", name = ""] = parts;
  if (parts.length !== 2 || !domain || !name) {
    return [
      invalidValue(at, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ];
  }
  const errors = complaints(at, signer, dnsSubdomainErrors(domain));
  if (domain.split(".").length < 2) {
    errors.push(invalidValue(at, signer, "should be a domain with at least two segments separated by dots"));
  }
  if (signer.length > longestSignerPart)
    errors.push(invalidValue(at, signer, `must be no more than ${longestSignerPart} bytes`));
  return [...errors, ...name.split(".").flatMap((label) => complaints(at, label, dnsLabelErrors(label)))];
}

function validate({ spec }: CertificateSigningRequest): Errors {
  const seen = new Set<string>();
  const errors = [...requestErrors(spec?.request), ...signerErrors(spec?.signerName)];
  if (spec?.signerName === "kubernetes.io/legacy-unknown") {
    errors.push(
      invalidValue("spec.signerName", spec.signerName, "the legacy signerName is not allowed via this API version"),
    );
  }
  if (!spec?.usages?.length) errors.push(required("spec.usages"));
  const seconds = spec?.expirationSeconds;
  if (seconds !== undefined && seconds < shortestSeconds) {
    const text = "may not specify a duration less than 600 seconds (10 minutes)";
    errors.push(invalidValue("spec.expirationSeconds", seconds, text));
  }
  return [
    ...errors,
    ...each("spec.usages", spec?.usages, (at, usage) => {
      if (seen.has(usage)) return [duplicate(at, usage)];
      seen.add(usage);
      return oneOf(at, usage, usages);
    }),
  ];
}

/** Signers write certificates and failures; approval has a subresource of its own, and neither is taken back. */
function validateStatusUpdate({ status }: CertificateSigningRequest, old: CertificateSigningRequest): Errors {
  const errors: Errors = [];
  const before = old.status?.certificate;
  if (before && status?.certificate !== before) {
    errors.push(forbiddenField("status.certificate", "updates may not set certificate content once it is set"));
  }
  for (const type of ["Approved", "Denied"]) {
    const of = (conditions: certificates.CertificateSigningRequestCondition[] | undefined) =>
      (conditions ?? []).filter((condition) => condition.type === type).length;
    if (of(status?.conditions) > of(old.status?.conditions)) {
      errors.push(
        forbiddenField("status.conditions", `updates may not add a condition of type ${JSON.stringify(type)}`),
      );
    } else if (of(status?.conditions) < of(old.status?.conditions)) {
      errors.push(
        forbiddenField("status.conditions", `updates may not remove a condition of type ${JSON.stringify(type)}`),
      );
    }
  }
  const seen = new Set<string>();
  return [
    ...errors,
    ...each("status.conditions", status?.conditions, (at, condition) => {
      const again =
        seen.has(condition.type) && condition.type !== "Failed" ? [duplicate(path(at, "type"), condition.type)] : [];
      seen.add(condition.type);
      const wrong =
        condition.status !== "True" && ["Approved", "Denied", "Failed"].includes(condition.type)
          ? oneOf(path(at, "status"), condition.status, ["True"])
          : [];
      return [...again, ...wrong, ...(condition.type ? [] : [required(path(at, "type"))])];
    }),
  ];
}

function conditionText({ status }: CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) ?? false;
  const words = [
    has("Denied") ? "Denied" : has("Approved") ? "Approved" : "Pending",
    ...(has("Failed") ? ["Failed"] : []),
    ...(status?.certificate ? ["Issued"] : []),
  ];
  return words.join(",");
}

export const CertificateSigningRequest = defineKind<CertificateSigningRequest>(
  "certificates.k8s.io/v1",
  "CertificateSigningRequest",
  {
    namespaced: false,
    shortNames: ["csr"],
    subresources: { status: true, special: ["approval"] },
    selectableFields: { "spec.signerName": ({ spec }) => spec?.signerName ?? "" },
    columns: [
      nameColumn,
      ageColumn,
      column("SignerName", ({ spec }) => spec?.signerName || "<none>"),
      column("Requestor", ({ spec }) => spec?.username ?? ""),
      column("RequestedDuration", ({ spec }) =>
        spec?.expirationSeconds === undefined ? "<none>" : formatAge(spec.expirationSeconds * 1000),
      ),
      column("Condition", conditionText),
    ],
    prepareForCreate: statusAtFirst({}),
    prepareForUpdate: (draft, old) => {
      draft.spec = old.spec;
    },
    validate,
    validateUpdate: (next, old) =>
      deepEqual(next.spec, old.spec) ? [] : [forbiddenField("spec", "field is immutable")],
    validateStatusUpdate,
  },
);
