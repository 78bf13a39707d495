// Certificates in PEM files, and who issued whom.
import { X509Certificate } from "node:crypto";

const blocks = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Throws when one of the PEM blocks is no certificate. */
export const certificatesIn = (pem: string): X509Certificate[] =>
  (pem.match(blocks) ?? []).map((block) => new X509Certificate(block));

export const isIssuedBy = (certificate: X509Certificate, ca: X509Certificate): boolean =>
  certificate.checkIssued(ca) && certificate.verify(ca.publicKey);

export const isSelfSigned = (certificate: X509Certificate): boolean => isIssuedBy(certificate, certificate);

/** The subject on one line. */
export const nameOf = ({ subject }: X509Certificate): string => subject.replaceAll("\n", ", ");
