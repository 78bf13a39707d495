import assert from "node:assert/strict";
import { test } from "node:test";
import { container, pod } from "../testing.ts";
import { specOf } from "./model.ts";
import { unsupportedField } from "./start-errors.ts";

test("what the kubelet cannot do is named", () => {
  const refusal = (spec: Parameters<typeof pod>[0]) => unsupportedField(specOf(pod(spec)));
  assert.equal(
    refusal({ containers: [container("a", { lifecycle: { preStop: { sleep: { seconds: 1 } } } })] }),
    undefined,
  );
  assert.equal(refusal({ hostUsers: false }), "spec.hostUsers: false");
  assert.equal(refusal({ hostUsers: true }), undefined);
  assert.equal(
    refusal({ securityContext: { supplementalGroupsPolicy: "Strict" } }),
    "spec.securityContext.supplementalGroupsPolicy: Strict",
  );
  assert.equal(
    refusal({ containers: [container("a", { lifecycle: { stopSignal: "SIGUSR1" } })] }),
    'lifecycle.stopSignal of container "a"',
  );
});
