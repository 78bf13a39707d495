// ValidatingAdmissionWebhook: others may refuse a request; all are asked at once.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go.
import type { AnyKind } from "../../../kinds/registry.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { ask, seenIn } from "./ask.ts";
import { conditionsHold, conditionsMayHold } from "./conditions.ts";
import type { Candidate } from "./hooks.ts";
import { shownObject } from "./review.ts";
import { selects, type Seen } from "./selection.ts";

const type = "validating";

export const validatingWebhooks: AdmissionPlugin = {
  name: "ValidatingAdmissionWebhook",
  operations: ["CREATE", "UPDATE", "DELETE", "CONNECT"],
  subresources: "all",
  validate(request, world) {
    const candidates = world.webhooks.validating.matching(request);
    if (candidates.length === 0) return undefined;
    const seen = { object: shownObject(request, type), old: request.old };
    const chosen = candidates.filter(
      (candidate) =>
        selects(candidate.hook, seen, request, world.store) &&
        (candidate.kind !== request.kind || conditionsMayHold({ candidate, request, seen, type }, world)),
    );
    return chosen.length > 0 ? askAll(chosen, seen, request, world) : undefined;
  },
};

/** Waits for all, then throws what the first in order that refuses says. */
async function askAll(
  candidates: readonly Candidate[],
  seen: Seen,
  request: AdmissionRequest,
  world: AdmissionWorld,
): Promise<void> {
  const views = new Map<AnyKind, Promise<Seen>>([[request.kind, Promise.resolve(seen)]]);
  const viewIn = (kind: AnyKind) => {
    let view = views.get(kind);
    if (!view) views.set(kind, (view = seenIn(seen, request, kind)));
    return view;
  };
  const answers = candidates.map(async (candidate, i) => {
    const view = await viewIn(candidate.kind);
    const question = {
      candidate,
      request,
      seen: view,
      type,
      leftMs: Infinity,
      position: `round_0_index_${i}`,
    } as const;
    if (!(await conditionsHold(question, world))) return;
    await ask(question, world);
  });
  const refusal = (await Promise.allSettled(answers)).find(({ status }) => status === "rejected");
  if (refusal?.status === "rejected") throw refusal.reason;
}
