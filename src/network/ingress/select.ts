// Which Ingresses are ours, and what they refer to. Pure.
import type { Ingress, IngressClass } from "../../kinds/generated/networking.v1.ts";

export const className = "knarr";
export const controllerName = "knarr.dev/haproxy";
/** Annotation of the class that Ingresses get which name none. */
export const defaultClass = "ingressclass.kubernetes.io/is-default-class";

/** Ours when the class it names, or the default class when it names none, has our controller. */
export function isOurs({ metadata, spec }: Ingress, classes: readonly IngressClass[]): boolean {
  if (metadata.deletionTimestamp) return false;
  const named = spec?.ingressClassName ?? metadata.annotations?.["kubernetes.io/ingress.class"];
  return classes.some(
    (one) =>
      one.spec?.controller === controllerName &&
      (named === undefined ? one.metadata.annotations?.[defaultClass] === "true" : one.metadata.name === named),
  );
}

/** `service namespace/name` and `secret namespace/name` of everything that the Ingress names. */
export function referencesOf({ metadata, spec }: Ingress): string[] {
  const backends = [
    spec?.defaultBackend,
    ...(spec?.rules ?? []).flatMap((r) => (r.http?.paths ?? []).map((p) => p.backend)),
  ];
  return [
    ...backends.flatMap((backend) =>
      backend?.service ? [`service ${metadata.namespace}/${backend.service.name}`] : [],
    ),
    ...(spec?.tls ?? []).flatMap(({ secretName }) =>
      secretName ? [`secret ${metadata.namespace}/${secretName}`] : [],
    ),
  ];
}
