// CertificateSigningRequest: asks a signer for a certificate.
// Follows kubernetes v1.36 pkg/apis/certificates/validation/validation.go and pkg/registry/certificates/certificates/strategy.go.
import type * as certificates from "../generated/certificates.v1.ts";
import { formatAge } from "../../machinery/duration.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { duplicate, forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { all, complaints, each, type Errors, oneOf, present, repeats } from "../checks.ts";
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
  const [domain = "", name = "", ...rest] = signer.split("/");
  if (rest.length > 0 || !domain || !name) {
    const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalidValue(at, signer, form)];
  }
  const short = "should be a domain with at least two segments separated by dots";
  return all(
    complaints(at, signer, dnsSubdomainErrors(domain)),
    domain.split(".").length < 2 && invalidValue(at, signer, short),
    signer.length > longestSignerPart && invalidValue(at, signer, `must be no more than ${longestSignerPart} bytes`),
    name.split(".").flatMap((label) => complaints(at, label, dnsLabelErrors(label))),
  );
}

function validate({ spec }: CertificateSigningRequest): Errors {
  const { request, signerName: signer, usages: given, expirationSeconds: seconds } = spec ?? {};
  const again = repeats();
  return all(
    requestErrors(request),
    signerErrors(signer),
    signer === "kubernetes.io/legacy-unknown" &&
      invalidValue("spec.signerName", signer, "the legacy signerName is not allowed via this API version"),
    !given?.length && required("spec.usages"),
    seconds !== undefined &&
      seconds < shortestSeconds &&
      invalidValue("spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"),
    each("spec.usages", given, (at, usage) => (again(usage) ? duplicate(at, usage) : oneOf(at, usage, usages))),
  );
}

/** Signers write certificates and failures; approval has a subresource of its own, and neither is taken back. */
function validateStatusUpdate({ status }: CertificateSigningRequest, old: CertificateSigningRequest): Errors {
  const before = old.status?.certificate;
  const count = ({ conditions = [] }: certificates.CertificateSigningRequestStatus = {}, type: string) =>
    conditions.filter((condition) => condition.type === type).length;
  const changed = ["Approved", "Denied"].flatMap((type) => {
    const more = count(status, type) - count(old.status, type);
    const text = `updates may not ${more > 0 ? "add" : "remove"} a condition of type ${JSON.stringify(type)}`;
    return more === 0 ? [] : forbiddenField("status.conditions", text);
  });
  const again = repeats();
  return all(
    before &&
      status?.certificate !== before &&
      forbiddenField("status.certificate", "updates may not set certificate content once it is set"),
    changed,
    each("status.conditions", status?.conditions, (at, { type, status: value }) =>
      all(
        again(type) && type !== "Failed" && duplicate(path(at, "type"), type),
        ["Approved", "Denied", "Failed"].includes(type) && oneOf(path(at, "status"), value, ["True"]),
        present(path(at, "type"), type),
      ),
    ),
  );
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
