// Converts custom resources between versions through the webhook of their definition, ahead of the reads that need it.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go.
import { randomUUID } from "node:crypto";
import type { Converter } from "../../kinds/custom/kind.ts";
import type { CustomResourceDefinition } from "../../kinds/generated/apiextensions.v1.ts";
import { internalError } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Store } from "../../store/store.ts";
import { callWebhook } from "../webhooks/call.ts";

const timeoutMs = 30_000;

interface ConversionAnswer {
  readonly response?: {
    readonly uid?: string;
    readonly result?: { readonly status?: string; readonly message?: string };
    readonly convertedObjects?: readonly KubeObject[];
  };
}

/** For a definition with the Webhook strategy; undefined for others. What was converted is known as long as the object lives. */
export function converterOf(definition: CustomResourceDefinition, store: Store): Converter | undefined {
  const { conversion } = definition.spec;
  if (conversion?.strategy !== "Webhook") return undefined;
  const { clientConfig, conversionReviewVersions } = conversion.webhook!;
  const version = conversionReviewVersions.find((one) => one === "v1" || one === "v1beta1")!;
  const known = new WeakMap<KubeObject, Map<string, KubeObject>>();

  const ask = async (objects: readonly KubeObject[], desiredAPIVersion: string): Promise<readonly KubeObject[]> => {
    const uid = randomUUID();
    const body = {
      kind: "ConversionReview",
      apiVersion: `apiextensions.k8s.io/${version}`,
      request: { uid, desiredAPIVersion, objects },
    };
    const answer = await callWebhook({ store, clientConfig: clientConfig!, body, timeoutMs });
    return checkedAnswer(answer as ConversionAnswer, uid, objects, desiredAPIVersion);
  };

  return {
    known: (object, apiVersion) => known.get(object)?.get(apiVersion),
    async prepare(objects, apiVersion) {
      const wanted = objects.filter(
        (object) => object.apiVersion !== apiVersion && !known.get(object)?.has(apiVersion),
      );
      if (wanted.length === 0) return;
      let converted: readonly KubeObject[];
      try {
        converted = await ask(wanted, apiVersion);
      } catch (error) {
        const { apiVersion: from, kind } = wanted[0]!;
        throw internalError(`conversion webhook for ${from}, Kind=${kind} failed: ${(error as Error).message}`);
      }
      wanted.forEach((object, i) => {
        const versions = known.get(object) ?? new Map<string, KubeObject>();
        known.set(object, versions.set(apiVersion, converted[i]!));
      });
    },
  };
}

/** Of the metadata a webhook may change labels and annotations only. Throws an Error for an answer that breaks the rules. */
export function checkedAnswer(
  { response }: ConversionAnswer,
  uid: string,
  objects: readonly KubeObject[],
  apiVersion: string,
): readonly KubeObject[] {
  if (!response) throw new Error("the answer has no response");
  if (response.uid !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid)}`);
  if (response.result?.status !== "Success") throw new Error(response.result?.message ?? "no success");
  const converted = response.convertedObjects ?? [];
  if (converted.length !== objects.length) {
    throw new Error(`expected ${objects.length} converted objects, got ${converted.length}`);
  }
  return converted.map((object, i) => {
    const before = objects[i]!;
    const { name, namespace, uid: identity } = before.metadata;
    const same = object.kind === before.kind && object.metadata?.name === name;
    if (!same || object.metadata.namespace !== namespace || object.metadata.uid !== identity) {
      throw new Error(`converted object ${i} is another one than was sent`);
    }
    if (object.apiVersion !== apiVersion) throw new Error(`converted object ${i} has the version ${object.apiVersion}`);
    const { labels, annotations } = object.metadata;
    const metadata = { ...before.metadata };
    delete metadata.labels;
    delete metadata.annotations;
    return {
      ...object,
      metadata: { ...metadata, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    };
  });
}
