// Server-side apply and updates against a plain model: a map from paths to values, and one from paths to owners.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StatusError } from "../errors.ts";
import type { ManagedFieldsEntry } from "../object.ts";
import { apply } from "./apply.ts";
import { pathsOf } from "./fields-set.ts";
import { updateManagedFields } from "./managed-fields.ts";
import { leafSchema, type TypedSchema } from "./typed.ts";

type Json = Record<string, unknown>;

const struct = (fields: Record<string, TypedSchema>): TypedSchema => ({
  type: "struct",
  field: (name) => fields[name],
});
const schema = struct({
  a: leafSchema,
  b: leafSchema,
  atomic: leafSchema,
  labels: { type: "map", items: leafSchema },
  set: { type: "set" },
  items: { type: "listMap", keys: ["k"], items: struct({ k: leafSchema, v: leafSchema, w: leafSchema }) },
});

/** Path → value as JSON; an item of a list is a path of its own. */
type Content = ReadonlyMap<string, string>;

const item = (k: unknown) => `.items[k=${JSON.stringify(k)}]`;

/** The content of an object: empty lists and maps are as good as absent. */
function contentOf({ labels = {}, set = [], items = [], ...plain }: Json): Content {
  const out = new Map<string, string>();
  const add = (path: string, value: unknown) => out.set(path, JSON.stringify(value));
  for (const name of ["a", "b", "z", "atomic"]) if (plain[name] !== undefined) add(`.${name}`, plain[name]);
  for (const [name, value] of Object.entries(labels as Json)) add(`.labels.${name}`, value);
  for (const value of set as string[]) add(`.set[=${JSON.stringify(value)}]`, value);
  for (const { k, ...fields } of items as Json[]) {
    add(item(k), "");
    for (const [name, value] of Object.entries(fields)) add(`${item(k)}.${name}`, value);
  }
  return out;
}

const isBelow = (path: string, parent: string) => path.startsWith(`${parent}.`);

class Model {
  content: Content = new Map();
  /** Owner → its paths. */
  readonly owned = new Map<string, Set<string>>();

  /** Takes the object over, or tells the conflicts. */
  apply(owner: string, config: Content, force: boolean): string[] {
    const others = [...this.owned].filter(([name]) => name !== owner);
    const isOthers = (path: string) => others.some(([, paths]) => paths.has(path));
    const gone = [...(this.owned.get(owner) ?? [])].filter((path) => !config.has(path) && !isOthers(path));
    const goes = (path: string) =>
      !config.has(path) && !isOthers(path) && gone.some((other) => other === path || isBelow(path, other));
    const kept = [...this.content].filter(([path]) => !goes(path));
    // An item stays while somebody owns a part of it.
    const parents = [...this.content].filter(([path]) => goes(path) && kept.some(([other]) => isBelow(other, path)));
    const next = new Map([...kept, ...parents, ...config]);
    const changed = this.#changed(next);
    const conflicts = others.flatMap(([name, paths]) =>
      [...paths].filter((path) => changed.includes(path)).map((path) => `${name} ${path}`),
    );
    if (conflicts.length > 0 && !force) return conflicts;
    this.#write(next, changed);
    this.owned.set(owner, new Set(config.keys()));
    return [];
  }

  update(owner: string, next: Content): void {
    const changed = this.#changed(next);
    const own = this.owned.get(owner) ?? new Set();
    this.#write(next, changed);
    this.owned.set(owner, new Set([...own, ...changed].filter((path) => next.has(path))));
  }

  #changed(next: Content): string[] {
    return [...next].filter(([path, value]) => this.content.get(path) !== value).map(([path]) => path);
  }

  #write(next: Content, changed: readonly string[]): void {
    for (const paths of this.owned.values()) {
      for (const path of paths) if (changed.includes(path) || !next.has(path)) paths.delete(path);
    }
    this.content = next;
  }
}

const value = fc.constantFrom(1, 2);
const body = fc
  .record(
    {
      a: value,
      b: value,
      atomic: fc.record({ x: value, y: value }, { requiredKeys: [] }),
      labels: fc.dictionary(fc.constantFrom("l", "m"), value, { minKeys: 1 }),
      set: fc.uniqueArray(fc.constantFrom("s", "t", "u"), { minLength: 1 }),
      items: fc.uniqueArray(fc.record({ k: value, v: value, w: value }, { requiredKeys: ["k"] }), {
        minLength: 1,
        selector: ({ k }) => k,
      }),
    },
    { requiredKeys: [] },
  )
  .map((object) => JSON.parse(JSON.stringify(object)) as Json);
const step = fc.record({
  how: fc.constantFrom("apply", "force", "update"),
  manager: fc.constantFrom("p", "q", "r"),
  body,
});

const ownerOf = ({ operation, manager }: ManagedFieldsEntry) => `${operation} ${manager}`;

/** Owners and what they own; containers and keys of items aside, as they follow from the rest. */
function ownership(entries: readonly ManagedFieldsEntry[]): [string, string[]][] {
  const told = entries.map((entry): [string, string[]] => {
    const paths = pathsOf(entry.fieldsV1).filter((path) => !/^\.(labels|set|items)$|\]\.k$/.test(path));
    return [ownerOf(entry), paths.toSorted()];
  });
  return told.filter(([, paths]) => paths.length > 0).toSorted();
}

test("any sequence of applies and updates leaves the object and the owners that the model has", () => {
  const base = { apiVersion: "v1", subresource: "", schema };
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
      const model = new Model();
      model.apply("Apply base", contentOf({ z: 1 }), false);
      let live = apply({ ...base, live: undefined, config: { z: 1 }, manager: "base", force: false, time: "0" }).object;
      steps.forEach(({ how, manager, body: sent }, i) => {
        // Through JSON, as everything is stored.
        live = JSON.parse(JSON.stringify(live)) as Json;
        const request = { ...base, manager, time: String(i + 1) };
        if (how === "update") {
          const next: Json = { ...sent, z: 1, metadata: live.metadata };
          const managedFields = updateManagedFields({ ...request, old: live, next });
          live = { ...next, metadata: { managedFields } };
          model.update(`Update ${manager}`, contentOf(next));
        } else {
          const conflicts = model.apply(`Apply ${manager}`, contentOf(sent), how === "force");
          try {
            const applied = apply({ ...request, live, config: sent, force: how === "force" });
            assert.deepEqual(conflicts, []);
            assert.equal(applied.changed, JSON.stringify(applied.object) !== JSON.stringify(live));
            live = applied.object;
          } catch (error) {
            if (!(error instanceof StatusError)) throw error;
            const causes = (error.status.details?.causes ?? []).map(({ message, field }) => {
              const [, name, updates] = /"(\w+)"( using v1)?$/.exec(message!)!;
              return `${updates ? "Update" : "Apply"} ${name} ${field}`;
            });
            const isKey = (cause: string) => /(\]\.k|\.(labels|set|items))$/.test(cause);
            assert.deepEqual(causes.filter((cause) => !isKey(cause)).toSorted(), conflicts.toSorted());
          }
        }
        assert.deepEqual(new Map([...contentOf(live)].toSorted()), new Map([...model.content].toSorted()));
        const entries = (live.metadata as { managedFields: ManagedFieldsEntry[] }).managedFields;
        const owned = [...model.owned].map(([name, paths]): [string, string[]] => [name, [...paths].toSorted()]);
        assert.deepEqual(ownership(entries), owned.filter(([, paths]) => paths.length > 0).toSorted());
      });
    }),
    { numRuns: 300 },
  );
});
