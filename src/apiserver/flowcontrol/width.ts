// How many seats a request takes: lists as many as they have hundreds of objects to go through. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/util/flowcontrol/request/list_work_estimator.go (objects per seat, bounds).
import type { Store } from "../../store/store.ts";
import type { EdgeRequest } from "../http/exchange.ts";
import { isTrue, type RequestInfo } from "../http/request-info.ts";

const objectsPerSeat = 100;
const mostSeats = 10;

/** At least 1. `seats` is the server's total, of which no request takes more than a small part. */
export function widthOf(store: Store, info: RequestInfo, request: EdgeRequest, seats: number): number {
  if (info.type !== "resource" || info.name !== "") return 1;
  const lists = info.verb === "list" || (info.verb === "watch" && isTrue(request.query.get("sendInitialEvents")));
  if (!lists) return 1;
  const { entries } = store.list(`${info.group}/${info.resource}`, info.namespace || undefined);
  const limit = Number(request.query.get("limit") ?? 0) || entries.length;
  const wanted = Math.ceil(Math.min(entries.length, limit) / objectsPerSeat);
  return Math.max(1, Math.min(wanted, mostSeats, Math.floor(seats / 50)));
}
