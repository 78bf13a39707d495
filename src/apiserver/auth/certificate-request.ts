// What a PKCS #10 certificate request asks for.
import { loadX509 } from "./pki/issue.ts";

/** Subject and alternative names of a request in PEM. Rejects when it cannot be read. */
export async function readCertificateRequest(pem: string): Promise<{
  commonName: string;
  organizations: string[];
  names: string[];
  addresses: string[];
  /** Alternative names of other sorts: e-mail addresses, URIs. */
  others: string[];
}> {
  const { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } = await loadX509();
  const request = new Pkcs10CertificateRequest(pem);
  const alternatives = request.extensions
    .filter((extension) => extension instanceof SubjectAlternativeNameExtension)
    .flatMap((extension) => extension.names.items);
  const of = (type: string) => alternatives.filter((name) => name.type === type).map(({ value }) => value);
  return {
    commonName: request.subjectName.getField("CN")[0] ?? "",
    organizations: request.subjectName.getField("O"),
    names: of("dns"),
    addresses: of("ip"),
    others: alternatives.filter(({ type }) => type !== "dns" && type !== "ip").map(({ value }) => value),
  };
}
