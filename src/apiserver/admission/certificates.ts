// A certificate request names who made it, and only who may approve for its signer approves it.
// Follows kubernetes v1.36 pkg/registry/certificates (PrepareForCreate) and plugin/pkg/admission/certificates.
import type { CertificateSigningRequest } from "../../kinds/generated/certificates.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbidden } from "../../machinery/errors.ts";
import { readCertificateRequest } from "../auth/certificate-request.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "./chain.ts";

const group = "certificates.k8s.io";

export const certificateRequests: AdmissionPlugin = {
  name: "CertificateRequests",
  operations: ["CREATE", "UPDATE"],
  resources: [`${group}/certificatesigningrequests`],
  subresources: ["approval", "status"],
  mutate({ operation, object, user }) {
    if (operation !== "CREATE") return;
    const draft = object as CertificateSigningRequest;
    const { uid: _uid, extra: _extra, ...spec } = draft.spec;
    draft.spec = {
      ...spec,
      username: user.name,
      groups: [...user.groups],
      ...(user.uid ? { uid: user.uid } : {}),
      ...(user.extra
        ? { extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])) }
        : {}),
    };
  },
  validate(request, world) {
    const { subresource, object, old, trusted, operation } = request;
    if (trusted || operation !== "UPDATE" || subresource === "") return undefined;
    const signer = (object as CertificateSigningRequest).spec.signerName;
    if (subresource === "approval") return checkSigner(request, world, "approve", signer);
    const outcome = ({ status }: CertificateSigningRequest) => [status?.certificate, status?.conditions ?? []];
    const changed = !deepEqual(outcome(object as CertificateSigningRequest), outcome(old as CertificateSigningRequest));
    if (changed) checkSigner(request, world, "sign", signer);
    return undefined;
  },
};

const clientSigner = "kubernetes.io/kube-apiserver-client";

/** Nobody becomes an administrator for good by a certificate. */
export const certificateSubject: AdmissionPlugin = {
  name: "CertificateSubjectRestriction",
  operations: ["CREATE"],
  resources: [`${group}/certificatesigningrequests`],
  validate({ object, name }) {
    const { spec } = object as CertificateSigningRequest;
    if (spec.signerName !== clientSigner) return undefined;
    const refuse = (why: string) => forbidden({ group, resource: "certificatesigningrequests" }, name, why);
    return readCertificateRequest(Buffer.from(spec.request, "base64").toString("utf8")).then(
      ({ organizations }) => {
        if (!organizations.includes("system:masters")) return;
        throw refuse(`use of ${clientSigner} signer with system:masters group is not allowed`);
      },
      (error: Error) => {
        throw refuse(`failed to parse CSR: ${error.message}`);
      },
    );
  },
};

/** The verb on the signer itself or on all signers of its domain. */
function checkSigner(
  { user, name }: AdmissionRequest,
  { authorizer }: AdmissionWorld,
  verb: string,
  signer: string,
): void {
  const allowed = [signer, `${signer.split("/")[0]}/*`].some(
    (signerName) =>
      authorizer.authorize({
        user,
        verb,
        group,
        version: "*",
        resource: "signers",
        subresource: "",
        namespace: "",
        name: signerName,
      }).allowed,
  );
  if (allowed) return;
  const why = `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`;
  throw forbidden({ group, resource: "certificatesigningrequests" }, name, why);
}
