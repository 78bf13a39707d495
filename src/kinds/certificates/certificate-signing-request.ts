// CertificateSigningRequest: asks a signer for a certificate.
import type * as certificates from "../generated/certificates.v1.ts";
import { defineKind } from "../kind.ts";

export type CertificateSigningRequest = certificates.CertificateSigningRequest;

export const CertificateSigningRequest = defineKind<certificates.CertificateSigningRequest>({
  group: "certificates.k8s.io",
  version: "v1",
  kind: "CertificateSigningRequest",
  plural: "certificatesigningrequests",
  namespaced: false,
  shortNames: ["csr"],
  subresources: {
    status: true,
    special: ["approval"],
  },
  selectableFields: {
    "spec.signerName": (o) => o.spec.signerName ?? "",
  },
});
