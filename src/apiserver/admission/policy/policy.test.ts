// Admission policies as clients of the API meet them. Names in capitals are those of conformance tests.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyStatus,
} from "../../../kinds/generated/admissionregistration.v1.ts";
import type { StatusError } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { asAdmin, testApi } from "../../testing.ts";

const group = "admissionregistration.k8s.io/v1";

/** An API with a namespace `a` (label `env: test`), and short ways to write to it. */
async function policyApi() {
  const { api, kinds, store } = await testApi();
  const create = async (object: Record<string, unknown>, context = asAdmin()) => {
    const body = { metadata: {}, ...object } as unknown as KubeObject;
    const kind = kinds.byApiVersion(body.apiVersion, body.kind)!;
    const namespace = kind.namespaced ? (body.metadata.namespace ?? "a") : "";
    const { object: created } = await api.create(context, kind, namespace, body, {});
    return created as KubeObject & Record<string, any>;
  };
  await create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "a", labels: { env: "test" } } });
  return { api, kinds, store, create };
}

type PolicyApi = Awaited<ReturnType<typeof policyApi>>;

const rules = (resources = ["configmaps"], apiGroups = [""], operations = ["CREATE", "UPDATE"]) => ({
  resourceRules: [{ apiGroups, apiVersions: ["*"], operations, resources }],
});

/** Creates a policy with its binding; the sort is Validating unless there are mutations. */
async function policy({ create }: PolicyApi, name: string, spec: Record<string, unknown>, binding = {}): Promise<void> {
  const sort = spec.mutations ? "MutatingAdmissionPolicy" : "ValidatingAdmissionPolicy";
  const extra = spec.mutations ? { reinvocationPolicy: "Never" } : {};
  await create({
    apiVersion: group,
    kind: sort,
    metadata: { name },
    spec: { matchConstraints: rules(), ...extra, ...spec },
  });
  const actions = spec.mutations ? {} : { validationActions: ["Deny"] };
  await create({
    apiVersion: group,
    kind: `${sort}Binding`,
    metadata: { name: `${name}-binding` },
    spec: { policyName: name, ...actions, ...binding },
  });
}

const configMap = (name: string, data: Record<string, string> = {}, metadata = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});

async function refused(work: Promise<unknown>): Promise<StatusError["status"]> {
  return work.then(
    () => assert.fail("it was accepted"),
    (error: StatusError) => error.status ?? assert.fail(error),
  );
}

const denied = (name: string, what: string) =>
  `ValidatingAdmissionPolicy '${name}' with binding '${name}-binding' denied request: ${what}`;

const deployment = (replicas: number) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web" },
  spec: {
    replicas,
    selector: { matchLabels: { a: "b" } },
    template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } },
  },
});

describe("ValidatingAdmissionPolicy", () => {
  test("should validate against a Deployment", async () => {
    const server = await policyApi();
    await policy(server, "replicas", {
      matchConstraints: rules(["deployments"], ["apps"]),
      validations: [
        { expression: "object.spec.replicas > 1", messageExpression: "'wants ' + string(object.spec.replicas + 1)" },
        { expression: "namespaceObject.metadata.name == 'a'", message: "wrong namespace", reason: "Forbidden" },
      ],
    });
    const status = await refused(server.create(deployment(1)));
    assert.equal(status.message, `deployments.apps "web" is forbidden: ${denied("replicas", "wants 2")}`);
    assert.deepEqual([status.reason, status.code], ["Invalid", 422]);
    await server.create(deployment(2));
  });

  test("should allow expressions to refer variables", async () => {
    const server = await policyApi();
    await policy(server, "variables", {
      matchConstraints: rules(["deployments"], ["apps"]),
      variables: [
        { name: "replicas", expression: "object.spec.replicas" },
        { name: "oddReplicas", expression: "variables.replicas % 2 == 1" },
      ],
      validations: [{ expression: "variables.replicas > 1" }, { expression: "variables.oddReplicas" }],
    });
    assert.match((await refused(server.create(deployment(1)))).message!, /failed expression: variables.replicas > 1$/);
    assert.match((await refused(server.create(deployment(4)))).message!, /failed expression: variables.oddReplicas$/);
    await server.create(deployment(3));
  });

  test("warns and notes for audit where the binding says so", async () => {
    const server = await policyApi();
    const validations = [{ expression: "'x' in object.data", message: "no x" }];
    await policy(
      server,
      "p",
      { validations, auditAnnotations: [{ key: "size", valueExpression: "string(object.data.size())" }] },
      { validationActions: ["Warn", "Audit"] },
    );
    const context = { ...asAdmin(), auditAnnotations: new Map<string, string>() };
    await server.create(configMap("one", { y: "1" }), context);
    assert.deepEqual(context.warnings, [
      "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-binding': no x",
    ]);
    assert.equal(context.auditAnnotations.get("p/size"), "1");
    assert.match(
      context.auditAnnotations.get("validation.policy.admission.k8s.io/validation_failure")!,
      /"message":"no x"/,
    );
  });

  test("match conditions, selectors, exclusions and names leave requests out", async () => {
    const server = await policyApi();
    const never = [{ expression: "false", message: "never" }];
    await policy(server, "condition", {
      matchConditions: [
        { name: "marked", expression: "has(object.metadata.labels) && 'mark' in object.metadata.labels" },
      ],
      validations: never,
    });
    await policy(
      server,
      "selector",
      { validations: never },
      { matchResources: { objectSelector: { matchLabels: { b: "c" } } } },
    );
    await policy(
      server,
      "namespaces",
      { validations: never },
      { matchResources: { namespaceSelector: { matchLabels: { env: "prod" } } } },
    );
    await policy(server, "names", {
      matchConstraints: { resourceRules: [{ ...rules().resourceRules[0], resourceNames: ["special"] }] },
      validations: never,
    });
    await policy(server, "excluded", {
      matchConstraints: {
        ...rules(["*"], ["*"]),
        excludeResourceRules: [...rules().resourceRules, ...rules(["*"], ["*"]).resourceRules],
      },
      validations: never,
    });
    await server.create(configMap("plain"));
    const said = async (object: Record<string, unknown>) => (await refused(server.create(object))).message!;
    assert.match(await said(configMap("m", {}, { labels: { mark: "" } })), /'condition'/);
    assert.match(await said(configMap("l", {}, { labels: { b: "c" } })), /'selector'/);
    assert.match(await said(configMap("special")), /'names'/);
  });

  test("with matchPolicy Equivalent a policy sees the version that it asks for", async () => {
    const server = await policyApi();
    const constraints = {
      resourceRules: [
        { ...rules(["horizontalpodautoscalers"], ["autoscaling"]).resourceRules[0], apiVersions: ["v1"] },
      ],
    };
    const validations = [
      {
        expression:
          "object.spec.targetCPUUtilizationPercentage > 50 && request.kind.version == 'v1' && request.requestKind.version == 'v2'",
      },
    ];
    await policy(server, "hpa", { matchConstraints: constraints, validations });
    const autoscaler = (averageUtilization: number) => ({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "web" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
        maxReplicas: 3,
        metrics: [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization } } }],
      },
    });
    assert.match((await refused(server.create(autoscaler(10)))).message!, /failed expression: object.spec.targetCPU/);
    await server.create(autoscaler(60));
  });

  test("an expression that fails counts as the failure policy says", async () => {
    const server = await policyApi();
    await policy(server, "ignored", { failurePolicy: "Ignore", validations: [{ expression: "object.nope == 1" }] });
    await server.create(configMap("one"));
    await policy(server, "strict", { validations: [{ expression: "object.nope == 1" }] });
    const { message } = await refused(server.create(configMap("two")));
    assert.match(message!, /expression 'object.nope == 1' resulted in error: no such key: nope$/);
  });

  test("an expression that would run for ever is stopped by its cost", async () => {
    const server = await policyApi();
    const loop = "l.all(a, l.all(b, l.all(c, l.all(d, l.all(e, a + b + c + d + e >= 0)))))";
    await policy(server, "loops", { validations: [{ expression: `cel.bind(l, lists.range(1000), ${loop})` }] });
    assert.match((await refused(server.create(configMap("one")))).message!, /actual cost limit exceeded$/);
    const doubled = Array.from({ length: 60 }).reduce<string>(
      (inner) => `cel.bind(x, ${inner}, x + x)`,
      "'xxxxxxxxxxxxxxxx'",
    );
    await policy(server, "concat", { validations: [{ expression: `${doubled}.size() > 0` }] }, {});
    assert.match((await refused(server.create(configMap("two")))).message!, /actual cost limit exceeded$/);
    await server.create({ apiVersion: "v1", kind: "Secret", metadata: { name: "other" } });
  });

  test("parameters come by name or selector, of built-in kinds, and are missed as the binding says", async () => {
    const server = await policyApi();
    const spec = {
      matchConstraints: rules(["secrets"]),
      paramKind: { apiVersion: "v1", kind: "ConfigMap" },
      validations: [
        {
          expression: "object.metadata.name.startsWith(params.data.prefix)",
          messageExpression: "'not ' + params.data.prefix",
        },
      ],
    };
    await policy(server, "named", spec, { paramRef: { name: "p1", parameterNotFoundAction: "Deny" } });
    await policy(server, "selected", spec, {
      paramRef: { selector: { matchLabels: { param: "yes" } }, parameterNotFoundAction: "Allow" },
    });
    const secret = (name: string) => server.create({ apiVersion: "v1", kind: "Secret", metadata: { name } });
    assert.match(
      (await refused(secret("x"))).message!,
      /no params found for policy binding with `Deny` parameterNotFoundAction$/,
    );
    await server.create(configMap("p1", { prefix: "ab" }));
    await secret("abc");
    assert.match((await refused(secret("x"))).message!, /not ab$/);
    await server.create(configMap("p2", { prefix: "abc" }, { labels: { param: "yes" } }));
    assert.match((await refused(secret("abd"))).message!, /'selected'.*not abc$/);
  });

  test("expressions may ask what the user may do", async () => {
    const server = await policyApi();
    await policy(server, "authz", {
      validations: [{ expression: "authorizer.group('').resource('pods').namespace('a').check('get').allowed()" }],
    });
    await policy(server, "self", {
      validations: [
        {
          expression: "authorizer.requestResource.check('escalate').allowed() && request.userInfo.username == 'admin'",
        },
      ],
    });
    await policy(server, "other", {
      validations: [
        { expression: "!authorizer.serviceAccount('a', 'nobody').group('').resource('pods').check('get').allowed()" },
      ],
    });
    await server.create(configMap("one"));
  });

  test("policies themselves are exempt, so that a broken one can be taken away", async () => {
    const server = await policyApi();
    await policy(server, "all", {
      matchConstraints: rules(["*"], ["*"], ["*"]),
      validations: [{ expression: "false" }],
    });
    const kind = server.kinds.byApiVersion(group, "ValidatingAdmissionPolicy")!;
    await refused(server.create(configMap("one")));
    await server.api.delete(asAdmin(), kind, { namespace: "", name: "all" }, {});
    await server.create(configMap("one"));
  });

  test("expressions that cannot be compiled or are of the wrong type are refused with their place", async () => {
    const server = await policyApi();
    const { message } = await refused(
      policy(server, "bad", {
        validations: [
          { expression: "object.x ==" },
          { expression: "1 + 1" },
          { expression: "nope == 1", messageExpression: "1" },
        ],
      }),
    );
    assert.match(
      message!,
      /spec.validations\[0\].expression: Invalid value: "object.x ==": compilation failed: ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>'/,
    );
    assert.match(message!, /spec.validations\[1\].expression: Invalid value: "1 \+ 1": must evaluate to bool/);
    assert.match(message!, /undeclared reference to 'nope' \(in container ''\)\n \| nope == 1\n \| \^/);
    assert.match(message!, /messageExpression: Invalid value: "1": must evaluate to string/);
  });
});

test("the status says which expressions do not fit the kinds that the rules name", async () => {
  const server = await policyApi();
  const collection = "admissionregistration.k8s.io/validatingadmissionpolicies";
  const checked = new Promise<ValidatingAdmissionPolicyStatus>((resolve) =>
    server.store.watch({ collection, after: server.store.revision }, (events) => {
      const { status } = events.at(-1)!.entry.object as unknown as ValidatingAdmissionPolicy;
      if (status?.observedGeneration) resolve(status);
    }),
  );
  const constraints = {
    resourceRules: [{ ...rules(["deployments"], ["apps"]).resourceRules[0], apiVersions: ["v1"] }],
  };
  await policy(server, "types", {
    matchConstraints: constraints,
    validations: [
      { expression: "object.spec.replicas > '1'" },
      { expression: "object.spec.nope > 1" },
      {
        expression: "object.spec.replicas > 1 && object.metadata.creationTimestamp < timestamp('2100-01-01T00:00:00Z')",
      },
    ],
  });
  const { observedGeneration, typeChecking } = await checked;
  assert.equal(observedGeneration, 1);
  assert.deepEqual(typeChecking?.expressionWarnings, [
    {
      fieldRef: "spec.validations[0].expression",
      warning:
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > '1'\n | .....................^",
    },
    {
      fieldRef: "spec.validations[1].expression",
      warning:
        "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'nope'\n | object.spec.nope > 1\n | ...........^",
    },
  ]);
});

describe("MutatingAdmissionPolicy", () => {
  const apply = (expression: string) => ({ patchType: "ApplyConfiguration", applyConfiguration: { expression } });
  const json = (expression: string) => ({ patchType: "JSONPatch", jsonPatch: { expression } });

  test("merges configurations, lists by their keys", async () => {
    const server = await policyApi();
    await policy(server, "sidecar", {
      matchConstraints: rules(["deployments"], ["apps"]),
      mutations: [
        apply(
          `Object{metadata: Object.metadata{labels: {"added": "yes"}}, spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: "c2", image: object.spec.template.spec.containers[0].image}]}}}}`,
        ),
      ],
    });
    const made = await server.create(deployment(1));
    assert.deepEqual(made.metadata.labels, { added: "yes" });
    const containers = made.spec.template.spec.containers as { name: string; image: string; imagePullPolicy: string }[];
    assert.deepEqual(containers.map(({ name, image, imagePullPolicy }) => [name, image, imagePullPolicy]).toSorted(), [
      ["c", "i", "Always"],
      ["c2", "i", "Always"],
    ]);
  });

  test("applies JSON patches with computed keys, and none whose test fails", async () => {
    const server = await policyApi();
    await policy(server, "patch", {
      mutations: [
        json(
          `[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("a/b"), value: string(object.data.size())}]`,
        ),
        json(`[JSONPatch{op: "test", path: "/data/x", value: "other"}, JSONPatch{op: "remove", path: "/data/x"}]`),
      ],
    });
    const made = await server.create(configMap("one", { x: "1" }, { labels: { l: "" } }));
    assert.deepEqual([made.data, made.metadata.labels], [{ x: "1" }, { l: "", "a/b": "1" }]);
  });

  test("a policy that wants to runs again when another changed the object after it", async () => {
    const server = await policyApi();
    const count = json(`[JSONPatch{op: "add", path: "/data/count", value: string(object.data.size())}]`);
    await policy(server, "a", { mutations: [count], reinvocationPolicy: "IfNeeded" });
    await policy(server, "b", { mutations: [apply(`Object{data: {"b": "1"}}`)] });
    const made = await server.create(configMap("one", { x: "1" }));
    assert.deepEqual(made.data, { x: "1", b: "1", count: "3" });
  });

  test("what it may not do is refused as the failure policy says", async () => {
    const server = await policyApi();
    const mutations = [apply(`Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec{}}}}`)];
    await policy(server, "wrong", { matchConstraints: rules(["deployments"], ["apps"]), mutations });
    const { message } = await refused(server.create(deployment(1)));
    assert.match(
      message!,
      /policy 'wrong' with binding 'wrong-binding' denied request: unexpected type name "Object.spec"/,
    );
    await refused(policy(server, "typed", { mutations: [apply("object")] }));
  });
});

test("policies that take long hold up nobody else, and decide as others do", async () => {
  const server = await policyApi();
  const some = "'0123456789'.split('').map(i, int(i))";
  const each = (name: string, inner: string) => `variables.some.all(${name}, ${inner})`;
  const long = (check: string) => each("a", each("b", each("c", each("d", check))));
  const mayGet = "authorizer.group('').resource('configmaps').namespace('a').check('get').allowed()";
  await policy(server, "mutating", {
    variables: [{ name: "some", expression: some }],
    matchConditions: [{ name: "long", expression: "has(object.data.long)" }],
    mutations: [
      {
        patchType: "ApplyConfiguration",
        applyConfiguration: { expression: `${long("a + b + c + d >= 0")} ? Object{data: {"seen": "yes"}} : Object{}` },
      },
    ],
  });
  const validations = [
    { expression: `!has(object.data.long) || ${long(`a + b + c + d < size(object.data.long) * 37`)}`, message: "no" },
    { expression: `!has(object.data.long) || ${long("d >= 0")} && ${mayGet}`, message: "nobody" },
  ];
  await policy(server, "validating", { variables: [{ name: "some", expression: some }], validations });
  const order: string[] = [];
  const slow = server.create(configMap("slow", { long: "x" }));
  const quick = server.create(configMap("quick", { x: "1" })).then(() => order.push("quick"));
  await Promise.all([slow.then(() => order.push("slow")), quick]);
  assert.deepEqual(order, ["quick", "slow"]);
  assert.deepEqual((await slow).data, { long: "x", seen: "yes" });
  const { message } = await refused(server.create(configMap("bad", { long: "" })));
  assert.ok(message!.endsWith(denied("validating", "no")));
});
