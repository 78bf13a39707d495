// componentstatuses: deprecated upstream, and of little use here, where all parts live in one process.
// Follows kubernetes v1.36 pkg/registry/core/componentstatus (names, conditions).
import { ComponentStatus } from "../../kinds/core/component-status.ts";
import { methodNotSupported, notFound } from "../../machinery/errors.ts";
import type { ObjectMeta } from "../../machinery/object.ts";
import { entryOf } from "../core/entries.ts";
import { selectionOf } from "../core/selection.ts";
import { encodingOf, entryResponse, listResponse } from "./encode.ts";
import type { EdgeResponse } from "./exchange.ts";
import type { AuthorizedCall } from "./router.ts";

const what = { group: ComponentStatus.group, resource: ComponentStatus.plural };

const entries = ["scheduler", "controller-manager", "etcd-0"].map((name) => {
  const metadata = { name } as ObjectMeta;
  const conditions = [{ type: "Healthy", status: "True", message: "ok" }];
  const object = { apiVersion: "v1", kind: "ComponentStatus", metadata, conditions };
  return entryOf({ collection: `/${what.resource}`, namespace: "", name }, object, 0, 0);
});

/** GET of one or of all. Throws NotFound, MethodNotAllowed. */
export function componentStatuses({ request, info, services }: AuthorizedCall): EdgeResponse {
  if (info.subresource || (info.verb !== "get" && info.verb !== "list")) throw methodNotSupported(what, info.verb);
  const encoding = encodingOf(ComponentStatus, request, services.clock.now());
  const deprecated = (response: EdgeResponse) => ({
    ...response,
    headers: { ...response.headers, warning: '299 - "v1 ComponentStatus is deprecated in v1.19+"' },
  });
  if (info.name) {
    const entry = entries.find(({ key }) => key.name === info.name);
    if (!entry) throw notFound(what, info.name);
    return deprecated(entryResponse(ComponentStatus, entry, encoding));
  }
  const text = (key: string) => request.query.get(key) ?? undefined;
  const selection = selectionOf(ComponentStatus, text("labelSelector"), text("fieldSelector"));
  const selected = entries.filter(({ object }) => selection.matches(object));
  return deprecated(listResponse(ComponentStatus, { revision: services.store.revision, entries: selected }, encoding));
}
