// healthCheckNodePort: external load balancers ask each node over HTTP whether it has endpoints of a Service whose traffic
// policy is Local. Follows kubernetes v1.36 pkg/proxy/healthcheck/service_health.go (status codes and body).
import type { Server } from "node:http";
import type { Cache } from "../../client/client.ts";
import type { EndpointSlice, Service } from "../../kinds/index.ts";
import { createServer } from "../../machinery/http.ts";
import type { Logger } from "../../machinery/log.ts";
import { keyOf } from "../../machinery/object.ts";
import { selectBackends } from "./endpoints.ts";

/** The port to answer on for a Service; undefined when it wants none. */
function healthCheckPort({ spec }: Service): number | undefined {
  const wanted = spec?.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
  return wanted && spec.healthCheckNodePort ? spec.healthCheckNodePort : undefined;
}

/** How many endpoints of the Service take traffic on this node. */
function countLocalEndpoints(service: Service, slices: readonly EndpointSlice[], nodeName: string): number {
  const addresses = (service.spec?.ports ?? []).flatMap((port) =>
    selectBackends(slices, port, { nodeName }).local.map(({ address }) => address),
  );
  return new Set(addresses).size;
}

export interface HealthCheckOptions {
  readonly services: Cache<Service>;
  readonly slicesOf: (service: string) => readonly EndpointSlice[];
  readonly nodeName: string;
  readonly log: Logger;
}

/** Keeps one small HTTP server per Service that wants one; the answer is computed when it is asked for. */
export function startHealthChecks({ services, slicesOf, nodeName, log }: HealthCheckOptions): Disposable {
  const running = new Map<string, { readonly port: number; readonly server: Server }>();

  function serve(key: string, port: number): Server {
    const server = createServer((_, response) => {
      const service = services.get(key);
      const localEndpoints = service ? countLocalEndpoints(service, slicesOf(key), nodeName) : 0;
      const [namespace, name] = key.split("/");
      response.writeHead(localEndpoints > 0 ? 200 : 503, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true }));
    });
    server.on("error", (error) => log.warn({ error, service: key, port }, "its health check port cannot be opened"));
    return server.listen(port);
  }

  const stop = (key: string) => {
    running.get(key)?.server.close();
    running.get(key)?.server.closeAllConnections();
    running.delete(key);
  };
  const unsubscribe = services.onChange(({ type, object }) => {
    const key = keyOf(object);
    const port = type === "DELETED" ? undefined : healthCheckPort(object);
    if (running.get(key)?.port === port) return;
    stop(key);
    if (port !== undefined) running.set(key, { port, server: serve(key, port) });
  });
  return {
    [Symbol.dispose]() {
      unsubscribe();
      for (const key of running.keys()) stop(key);
    },
  };
}
