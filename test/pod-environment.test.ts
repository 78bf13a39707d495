// What a container finds around itself in a whole cluster: variables, volumes, the API, limits, rights, namespaces.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ConfigMap, PersistentVolumeClaim, Pod, Role, RoleBinding, Secret, Service } from "../src/kinds/index.ts";
import type { Container, PodSpec, SecurityContext } from "../src/kinds/generated/core.v1.ts";
import { containersPossible, eventually, startTestCluster, type TestCluster } from "./harness.ts";
import { importTools, isReady, lives, node, runs, statusOf, workloadsOf, type Workloads } from "./workloads.ts";

let cluster: TestCluster;
let work: Workloads;

const reason = (pod: Pod | undefined) => statusOf(pod)?.state?.waiting?.reason;
/** Directory of a controller in cgroup v1, or the one hierarchy of v2. */
const cgroupFile = (controller: string, path: string, v1: string, v2: string) =>
  [join("/sys/fs/cgroup", controller, path, v1), join("/sys/fs/cgroup", path, v2)].find((file) => existsSync(file));

before(async () => {
  assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
  cluster = await startTestCluster("podenv");
  await importTools(cluster);
  work = await workloadsOf(cluster);
  await work.create(ConfigMap, "settings", {
    data: { colour: "blue", "file.txt": "text\n" },
    binaryData: { raw: Buffer.from([1, 2, 255]).toString("base64") },
  });
  await work.create(Secret, "keys", { stringData: { user: "anna", "pass.txt": "secret\n" } });
});
after(async () => {
  await work?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

describe("variables", { concurrency: 4 }, () => {
  test("literals, references, ConfigMaps, Secrets, fields, resources", async () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const amount = (name: string, resource: string, divisor?: string) => ({
      name,
      valueFrom: { resourceFieldRef: { resource, ...(divisor ? { divisor } : {}) } },
    });
    const env: Container["env"] = [
      { name: "A", value: "a" },
      { name: "B", value: "$(A)b $$(A) $(NONE)" },
      { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
      { name: "USER_NAME", valueFrom: { secretKeyRef: { name: "keys", key: "user" } } },
      { name: "ABSENT", valueFrom: { secretKeyRef: { name: "none", key: "none", optional: true } } },
      field("POD", "metadata.name"),
      field("LABEL", "metadata.labels['app']"),
      field("ANNOTATION", "metadata.annotations['note']"),
      field("SPACE", "metadata.namespace"),
      field("NODE", "spec.nodeName"),
      field("ACCOUNT", "spec.serviceAccountName"),
      field("HOST_IP", "status.hostIP"),
      field("POD_IP", "status.podIP"),
      amount("CPU", "limits.cpu", "1m"),
      amount("MEMORY", "requests.memory", "1Mi"),
    ];
    const envFrom = [
      { prefix: "C_", configMapRef: { name: "settings" } },
      { secretRef: { name: "keys" } },
      { configMapRef: { name: "none", optional: true } },
    ];
    const resources = { requests: { memory: "10Mi" }, limits: { cpu: "250m", memory: "20Mi" } };
    const containers = [runs("env; echo args: $0 $1", { env, envFrom, resources, args: ["$(A)", "$$(A)"] })];
    const text = await work.outputOf("env", { containers }, { labels: { app: "shop" }, annotations: { note: "hi" } });
    const { status } = await work.client.get(Pod, "env", "default");
    const { nodeName, nodeAddress } = cluster.settings;
    for (const line of [
      "B=ab $(A) $(NONE)",
      "COLOUR=blue",
      "USER_NAME=anna",
      "POD=env",
      "LABEL=shop",
      "ANNOTATION=hi",
      "SPACE=default",
      `NODE=${nodeName}`,
      "ACCOUNT=default",
      `HOST_IP=${nodeAddress}`,
      `POD_IP=${status!.podIP}`,
      "CPU=250",
      "MEMORY=10",
      "C_colour=blue",
      "user=anna",
      "args: a $(A)",
    ])
      assert.ok(text.split("\n").includes(line), `${line} in:\n${text}`);
    assert.doesNotMatch(text, /^ABSENT=/m);
  });

  test("Services of the namespace are variables unless links are off", async () => {
    const { spec } = await work.create(Service, "my-db", { spec: { ports: [{ name: "main", port: 6379 }] } });
    const containers = [runs("env")];
    const linked = await work.outputOf("linked", { containers });
    for (const line of [
      `MY_DB_SERVICE_HOST=${spec!.clusterIP}`,
      "MY_DB_SERVICE_PORT=6379",
      "MY_DB_SERVICE_PORT_MAIN=6379",
    ])
      assert.ok(linked.split("\n").includes(line), `${line} in:\n${linked}`);
    assert.match(linked, new RegExp(`^MY_DB_PORT_6379_TCP=tcp://${spec!.clusterIP}:6379$`, "m"));
    const alone = await work.outputOf("unlinked", { containers, enableServiceLinks: false });
    assert.doesNotMatch(alone, /MY_DB/);
    assert.match(alone, /^KUBERNETES_SERVICE_HOST=/m);
  });

  test("a container waits for what is missing, says what, and starts when it comes", async () => {
    const env = [{ name: "V", valueFrom: { configMapKeyRef: { name: "late", key: "v" } } }];
    await work.pod("waits", { containers: [lives("echo $V", { env })] });
    const waiting = await work.until("waits", (pod) => reason(pod) === "CreateContainerConfigError");
    assert.equal(statusOf(waiting)!.state!.waiting!.message, 'configmap "late" not found');
    await work.create(ConfigMap, "late", { data: { v: "here" } });
    await work.until("waits", isReady);
    assert.equal(await work.log("waits"), "here\n");
  });
});

describe("volumes", { concurrency: 4 }, () => {
  test("emptyDir on disk is shared by containers; in memory it has its size", async () => {
    const volumeMounts = [
      { name: "disk", mountPath: "/disk" },
      { name: "memory", mountPath: "/memory" },
    ];
    const text = await work.outputOf("empty", {
      volumes: [
        { name: "disk", emptyDir: {} },
        { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "4Mi" } },
      ],
      initContainers: [runs("echo shared > /disk/file", { name: "init", volumeMounts })],
      containers: [
        runs(
          "cat /disk/file; stat -c %a /disk; grep ' /memory ' /proc/mounts | cut -d' ' -f1; dd if=/dev/zero of=/memory/x bs=1M count=8 2> /dev/null || echo full; stat -c %s /memory/x",
          { volumeMounts },
        ),
      ],
    });
    assert.equal(text, "shared\n777\ntmpfs\nfull\n4194304\n");
  });

  test("hostPath checks its type", async () => {
    const dir = join(cluster.dataDir, "host");
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "file"), "on the machine\n");
    const volume = (name: string, path: string, type: string) => ({ name, hostPath: { path: join(dir, path), type } });
    const volumes = [
      volume("file", "file", "File"),
      volume("dir", "made", "DirectoryOrCreate"),
      volume("new", "new-file", "FileOrCreate"),
      { name: "null", hostPath: { path: "/dev/null", type: "CharDevice" } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/in/${name}` }));
    const script = "cat /in/file; echo out > /in/dir/made; echo > /in/null; test -f /in/new && echo ok";
    const text = await work.outputOf("host-path", { volumes, containers: [runs(script, { volumeMounts })] });
    assert.equal(text, "on the machine\nok\n");
    assert.equal(readFileSync(join(dir, "made/made"), "utf8"), "out\n");
    const wrong = [volume("w", "file", "Directory")];
    await work.pod("host-wrong", {
      volumes: wrong,
      containers: [lives("true", { volumeMounts: [{ name: "w", mountPath: "/w" }] })],
    });
    await work.untilEvent("host-wrong", /^FailedMount: .*hostPath type check failed: .* is not a directory/);
    await work.remove("host-wrong");
  });

  test("ConfigMaps, Secrets and projections: items, modes, binary data, optional ones, sub-paths, read-only", async () => {
    const volumes: PodSpec["volumes"] = [
      { name: "map", configMap: { name: "settings", defaultMode: 0o440 } },
      {
        name: "items",
        secret: { secretName: "keys", items: [{ key: "pass.txt", path: "deep/er", mode: 0o400 }] },
      },
      { name: "none", configMap: { name: "none", optional: true } },
      {
        name: "all",
        projected: {
          sources: [
            { configMap: { name: "settings", items: [{ key: "colour", path: "colour" }] } },
            { secret: { name: "keys" } },
            { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
          ],
        },
      },
      { name: "rw", emptyDir: {} },
    ];
    const volumeMounts: Container["volumeMounts"] = [
      { name: "map", mountPath: "/map" },
      { name: "items", mountPath: "/items" },
      { name: "none", mountPath: "/none" },
      { name: "all", mountPath: "/all" },
      { name: "map", mountPath: "/one/colour", subPath: "colour" },
      { name: "rw", mountPath: "/rw" },
      { name: "rw", mountPath: "/ro", readOnly: true },
      { name: "rw", mountPath: "/sub", subPathExpr: "of-$(POD)" },
    ];
    const env = [{ name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }];
    const script = [
      "cat /map/file.txt; stat -L -c %a /map/colour; od -An -tu1 /map/raw | tr -s ' '",
      "cat /items/deep/er; stat -L -c %a /items/deep/er; ls /items; ls /none | wc -l",
      "cat /all/colour /all/user /all/labels; echo",
      "cat /one/colour; echo; touch /ro/x 2> /dev/null || echo read-only; touch /map/x 2> /dev/null || echo read-only",
      "touch /sub/made; ls /rw; ls /ro",
    ].join("; ");
    const text = await work.outputOf(
      "files",
      { volumes, containers: [runs(script, { volumeMounts, env })] },
      { labels: { app: "shop" } },
    );
    assert.equal(
      text,
      'text\n440\n 1 2 255\nsecret\n400\ndeep\n0\nblueannaapp="shop"\nblue\nread-only\nread-only\nof-files\nof-files\n',
    );
  });

  test("files follow their ConfigMap, Secret and labels; immutable ones cannot change", async () => {
    await work.create(ConfigMap, "live", { data: { v: "old" } });
    await work.create(Secret, "live", { stringData: { v: "old" } });
    const volumes: PodSpec["volumes"] = [
      { name: "map", configMap: { name: "live" } },
      { name: "secret", secret: { secretName: "live" } },
      { name: "self", downwardAPI: { items: [{ path: "v", fieldRef: { fieldPath: "metadata.labels['v']" } }] } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
    await work.pod("live", { volumes, containers: [lives("true", { volumeMounts })] }, { labels: { v: "old" } });
    await work.until("live", isReady);
    const target = { name: "live", namespace: "default" };
    const read = () => work.exec("live", "cat", "/map/v", "/secret/v", "/self/v");
    assert.equal(await read(), "oldoldold");
    await work.client.patch(ConfigMap, target, "merge", { data: { v: "new" } });
    await work.client.patch(Secret, target, "merge", { stringData: { v: "new" } });
    await work.client.patch(Pod, target, "merge", { metadata: { labels: { v: "new" } } });
    await eventually("the files change", async () => (await read()) === "newnewnew");
    await work.client.patch(ConfigMap, target, "merge", { immutable: true });
    await assert.rejects(
      work.client.patch(ConfigMap, target, "merge", { data: { v: "newer" } }),
      /field is immutable when `immutable` is set/,
    );
  });

  test("a claim belongs to the fsGroup of a pod without root, and outlives it", async () => {
    const resources = { requests: { storage: "16Mi" } };
    await work.create(PersistentVolumeClaim, "data", { spec: { accessModes: ["ReadWriteOnce"], resources } });
    const spec = (script: string): Partial<PodSpec> => ({
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000, runAsNonRoot: true },
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }],
      containers: [runs(script, { volumeMounts: [{ name: "data", mountPath: "/data" }] })],
    });
    const made = await work.outputOf(
      "claim-1",
      spec("echo kept > /data/x; stat -c '%u %g' /data/x; stat -c %g /data; id"),
    );
    assert.match(made, /^1000 2000\n2000\nuid=1000 gid=1000 groups=(1000,)?2000/);
    await work.remove("claim-1");
    assert.equal(await work.outputOf("claim-2", spec("cat /data/x")), "kept\n");
  });

  test("the token and CA of a pod are good for the API at its Service address", async () => {
    const program = `
      const fs = require("node:fs"), dir = "/var/run/secrets/kubernetes.io/serviceaccount/";
      const [token, ca] = ["token", "ca.crt"].map((name) => fs.readFileSync(dir + name, "utf8"));
      const ask = (path) => new Promise((resolve, reject) => require("node:https").get(
        { host: "kubernetes.default.svc", path, ca, headers: { authorization: "Bearer " + token } },
        (response) => { let body = ""; response.on("data", (part) => (body += part)); response.on("end", () => resolve(response.statusCode + " " + JSON.parse(body).kind)); },
      ).on("error", reject));
      (async () => {
        console.log(await ask("/api/v1/namespaces/default/pods"));
        console.log(await ask("/api/v1/namespaces/default/secrets"));
        console.log(fs.readFileSync(dir + "namespace", "utf8"));
      })();`;
    const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }];
    await work.create(Role, "reads", { rules });
    await work.create(RoleBinding, "reads", {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "reads" },
      subjects: [{ kind: "ServiceAccount", name: "default", namespace: "default" }],
    });
    const text = await work.outputOf("api", { automountServiceAccountToken: true, containers: [node(program)] });
    assert.equal(text, "200 PodList\n403 Status\ndefault\n");
    const none = await work.outputOf("no-api", { containers: [runs("ls /var/run/secrets 2> /dev/null || echo none")] });
    assert.equal(none, "none\n");
  });
});

describe("limits and rights", { concurrency: 4 }, () => {
  test("requests and limits are cgroup values below the group of the pod's class", async () => {
    const { cgroupRoot } = cluster.settings;
    const amounts = { cpu: "500m", memory: "64Mi" };
    const rows = [
      ["guaranteed", "Guaranteed", { requests: amounts, limits: amounts }, "kubepods"],
      ["burstable", "Burstable", { requests: { cpu: "250m" }, limits: amounts }, "kubepods/burstable"],
      ["best-effort", "BestEffort", {}, "kubepods/besteffort"],
    ] as const;
    for (const [name, qosClass, resources, parent] of rows) {
      await work.pod(name, { containers: [lives("true", { resources })] });
      const pod = await work.until(name, isReady);
      assert.equal(pod.status!.qosClass, qosClass);
      const podGroup = `${cgroupRoot}/${parent}/pod${pod.metadata.uid}`;
      assert.ok(cgroupFile("memory", podGroup, "tasks", "cgroup.procs"), podGroup);
      if (qosClass === "BestEffort") continue;
      const container = `${podGroup}/${statusOf(pod)!.containerID!.replace("containerd://", "")}`;
      for (const group of [podGroup, container]) {
        const memory = cgroupFile("memory", group, "memory.limit_in_bytes", "memory.max")!;
        assert.equal(readFileSync(memory, "utf8").trim(), String(64 << 20));
        const cpu = cgroupFile("cpu", group, "cpu.cfs_quota_us", "cpu.max")!;
        assert.match(readFileSync(cpu, "utf8"), /^50000\b/);
      }
      const shares = cgroupFile("cpu", container, "cpu.shares", "cpu.weight")!;
      const wanted = qosClass === "Guaranteed" ? /^(512|59|20)$/ : /^(256|35|10)$/;
      assert.match(readFileSync(shares, "utf8").trim(), wanted);
    }
  });

  const secured = (name: string, script: string, securityContext: SecurityContext, spec: Partial<PodSpec> = {}) =>
    work.outputOf(name, { containers: [runs(script, { securityContext })], ...spec });

  test("user, groups, capabilities, read-only root, no new privileges and seccomp", async () => {
    const script =
      "id; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; touch /x 2> /dev/null || echo read-only";
    const locked: SecurityContext = {
      runAsUser: 1234,
      runAsGroup: 4321,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    };
    const supplementalGroups = [77];
    const text = await secured("locked", script, locked, { securityContext: { supplementalGroups } });
    assert.match(text, /uid=1234 gid=4321 groups=(4321,)?77/);
    assert.match(text, /CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nread-only\n/);
    const open = await secured("open", script, { capabilities: { add: ["NET_ADMIN"], drop: ["CHOWN"] } });
    const effective = BigInt(`0x${/CapEff:\t(\w+)/.exec(open)![1]}`);
    assert.deepEqual([effective & 1n, (effective >> 12n) & 1n], [0n, 1n]);
    assert.match(open, /uid=0/);
    assert.match(open, /NoNewPrivs:\t0\nSeccomp:\t0/);
  });

  test("privileged containers see devices and may mount; others see /proc/sys read-only", async () => {
    const script =
      "mount -t tmpfs none /mnt 2> /dev/null && echo mounted; (echo h > /proc/sys/kernel/hostname) 2> /dev/null && echo open; true";
    const image = "mkdir -p /mnt; ";
    assert.equal(await secured("privileged", image + script, { privileged: true }), "mounted\nopen\n");
    assert.equal(await secured("plain", image + script, {}), "");
  });

  test("runAsNonRoot refuses root; what cannot be given is refused by name", async () => {
    await work.pod("rooted", { securityContext: { runAsNonRoot: true }, containers: [lives()] });
    const pod = await work.until("rooted", (p) => reason(p) === "CreateContainerConfigError");
    assert.match(statusOf(pod)!.state!.waiting!.message!, /runAsNonRoot and image will run as root/);
    await work.pod("users", { hostUsers: false, containers: [lives()] });
    await work.untilEvent("users", /^FailedCreatePodSandBox: spec\.hostUsers: false is not supported$/);
    await work.remove("rooted");
    await work.remove("users");
  });

  test("sysctls are set in the pod", async () => {
    const sysctls = [
      { name: "net.ipv4.ip_unprivileged_port_start", value: "80" },
      { name: "kernel.shm_rmid_forced", value: "1" },
    ];
    const script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced";
    assert.equal(await secured("sysctls", script, {}, { securityContext: { sysctls } }), "80\n1\n");
  });
});

describe("namespaces and names", { concurrency: 4 }, () => {
  test("containers see each other's processes only when they share them", async () => {
    const other = lives("sleep 333 & true", { name: "other", restartPolicy: "Always" });
    const containers = [runs("sleep 1; ps -o args | grep -q '[s]leep 333' && echo seen || echo unseen")];
    const initContainers = [other];
    assert.equal(await work.outputOf("apart", { initContainers, containers }), "unseen\n");
    const shared = { initContainers, containers, shareProcessNamespace: true };
    assert.equal(await work.outputOf("together", shared), "seen\n");
  });

  test("hostNetwork, hostPID and hostIPC are the machine's", async () => {
    const text = await work.outputOf("on-host", {
      hostNetwork: true,
      hostPID: true,
      hostIPC: true,
      containers: [
        runs("hostname; ip -o link | grep -c ' lo:'; for n in net pid ipc; do readlink /proc/self/ns/$n; done"),
      ],
    });
    const own = ["net", "pid", "ipc"].map((name) => readlinkSync(`/proc/self/ns/${name}`));
    assert.deepEqual(text.trim().split("\n"), [hostname(), "1", ...own]);
    const { status } = await work.client.get(Pod, "on-host", "default");
    assert.equal(status!.podIP, cluster.settings.nodeAddress);
  });

  test("hostname, subdomain, setHostnameAsFQDN and hostAliases are in /etc/hosts", async () => {
    const script = "hostname; cat /etc/hosts";
    const spec: Partial<PodSpec> = {
      hostname: "own",
      subdomain: "sub",
      hostAliases: [{ ip: "10.0.0.9", hostnames: ["alias.test", "other.test"] }],
      containers: [runs(script)],
    };
    const short = await work.outputOf("named", spec);
    const { status } = await work.client.get(Pod, "named", "default");
    assert.match(short, /^own\n/);
    assert.ok(short.includes(`${status!.podIP}\town.sub.default.svc.cluster.local\town\n`), short);
    assert.ok(short.includes("10.0.0.9\talias.test\tother.test\n"), short);
    const full = await work.outputOf("named-fully", { ...spec, setHostnameAsFQDN: true });
    assert.match(full, /^own\.sub\.default\.svc\.cluster\.local\n/);
  });

  test("nothing of a pod is left on the machine when it is gone", async () => {
    const volumes: PodSpec["volumes"] = [{ name: "m", emptyDir: { medium: "Memory" } }];
    await work.pod("gone", {
      volumes,
      containers: [lives("true", { volumeMounts: [{ name: "m", mountPath: "/m" }] })],
    });
    const { metadata } = await work.until("gone", isReady);
    const dir = join(cluster.dataDir, "kubelet/pods", metadata.uid);
    assert.ok(statSync(dir).isDirectory());
    await work.remove("gone");
    assert.equal(existsSync(dir), false);
    assert.doesNotMatch(readFileSync("/proc/mounts", "utf8"), new RegExp(metadata.uid));
  });
});
