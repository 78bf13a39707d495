// For tests: a definition to start from, and the ways to use what it defines.
import { CustomResourceDefinition } from "../../kinds/apiextensions/custom-resource-definition.ts";
import type { JSONSchemaProps } from "../../kinds/generated/apiextensions.v1.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { asAdmin, testApi } from "../testing.ts";
import type { RequestContext, WriteParameters } from "../types.ts";

/** One that allows everything below spec but what the test says. */
export function cronTabs(spec: JSONSchemaProps, change: (draft: CustomResourceDefinition) => void = () => {}) {
  const draft = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "crontabs.stable.example.com" },
    spec: {
      group: "stable.example.com",
      names: { plural: "crontabs", singular: "crontab", kind: "CronTab", shortNames: ["ct"], categories: ["all"] },
      scope: "Namespaced",
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: { spec, status: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
            },
          },
        },
      ],
    },
  } as unknown as CustomResourceDefinition;
  change(draft);
  return draft;
}

/** An API that knows a definition, used as the administrator. */
export async function apiWith(...definitions: CustomResourceDefinition[]) {
  const server = await testApi();
  const { api, kinds, store } = server;
  const target = (name: string, namespace = "default") => ({ name, namespace });
  const kindOf = (version = "v1", plural = "crontabs", group = "stable.example.com"): AnyKind => {
    const kind = kinds.byResource(group, version, plural);
    if (!kind) throw new Error(`${group}/${version} ${plural} is not served`);
    return kind;
  };
  const define = async (definition: CustomResourceDefinition, context = asAdmin()) =>
    (await api.create(context, CustomResourceDefinition, "", structuredClone(definition), {})).object;
  for (const definition of definitions) await define(definition);
  const body = (rest: object, name: string, kind: AnyKind) =>
    ({
      apiVersion: `${kind.group}/${kind.version}`,
      kind: kind.kind,
      metadata: { name },
      ...structuredClone(rest),
    }) as unknown as KubeObject;
  return {
    ...server,
    kindOf,
    define,
    /** Replaces a definition, whatever version of it is stored. */
    async redefine(definition: CustomResourceDefinition) {
      const draft = structuredClone(definition);
      const { name } = draft.metadata;
      const current = api.get(asAdmin(), CustomResourceDefinition, { name, namespace: "" }).object;
      draft.metadata.resourceVersion = current.metadata.resourceVersion;
      await api.update(asAdmin(), CustomResourceDefinition, { name, namespace: "" }, draft, {});
    },
    store,
    definition: (name = "crontabs.stable.example.com") =>
      store.get({ collection: "apiextensions.k8s.io/customresourcedefinitions", namespace: "", name })?.object as
        | CustomResourceDefinition
        | undefined,
    async create(name: string, rest: object, parameters: WriteParameters = {}, context: RequestContext = asAdmin()) {
      const kind = kindOf();
      const entry = await api.create(context, kind, "default", body(rest, name, kind), parameters);
      // oxlint-disable-next-line typescript/no-explicit-any
      return entry.object as any;
    },
    async update(name: string, rest: object, parameters: WriteParameters = {}) {
      const kind = kindOf();
      const written = await api.update(asAdmin(), kind, target(name), body(rest, name, kind), parameters);
      // oxlint-disable-next-line typescript/no-explicit-any
      return written.entry.object as any;
    },
    // oxlint-disable-next-line typescript/no-explicit-any
    get: (name: string, version = "v1") => api.get(asAdmin(), kindOf(version), target(name)).object as any,
  };
}
