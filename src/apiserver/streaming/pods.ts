// Finding the pod, container and node that a streaming request means. Follows kubernetes v1.36
// pkg/registry/core/pod/strategy.go (choice of the container, messages).
import type { Pod } from "../../kinds/generated/core.v1.ts";
import type { ContainerReference, NodeConnection } from "../../client/node-connection.ts";
import { badRequest, internalError, notFound, serviceUnavailable } from "../../machinery/errors.ts";
import type { AuthorizedCall } from "../http/router.ts";

export interface PodOnNode {
  readonly pod: Pod;
  readonly node: NodeConnection;
}

/** The pod of the request. Throws NotFound. */
export function podOf({ services, info }: AuthorizedCall): Pod {
  const { namespace, name } = info;
  const entry = services.store.get({ collection: "/pods", namespace, name });
  if (!entry) throw notFound({ group: "", resource: "pods" }, name);
  return entry.object as Pod;
}

/** The pod and the connection to its node. Throws NotFound, BadRequest (not scheduled), ServiceUnavailable. */
export function podOnNode(call: AuthorizedCall): PodOnNode {
  const pod = podOf(call);
  const nodeName = pod.spec?.nodeName;
  if (!nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  const node = call.services.nodes(nodeName);
  if (!node) throw serviceUnavailable(`node ${nodeName} of pod ${pod.metadata.name} is not connected`);
  return { pod, node };
}

const namesOf = (containers: readonly { name: string }[] | undefined) => (containers ?? []).map(({ name }) => name);

/** The container named, or the only one. Throws BadRequest. */
export function containerOf(pod: Pod, asked: string | null): ContainerReference {
  const { name, namespace = "", uid } = pod.metadata;
  const containers = namesOf(pod.spec?.containers);
  const initContainers = namesOf(pod.spec?.initContainers);
  const ephemeral = namesOf(pod.spec?.ephemeralContainers);
  if (asked) {
    if (![...containers, ...initContainers, ...ephemeral].includes(asked)) {
      throw badRequest(`container ${asked} is not valid for pod ${name}`);
    }
    return { namespace, pod: name, podUid: uid, container: asked };
  }
  if (containers.length === 0) throw internalError(`pod ${name} has no containers`);
  if (containers.length > 1 || initContainers.length > 0) {
    const initText = initContainers.length > 0 ? ` or one of the init containers: [${initContainers.join(" ")}]` : "";
    if (containers.length > 1) {
      throw badRequest(
        `a container name must be specified for pod ${name}, choose one of: [${containers.join(" ")}]${initText}`,
      );
    }
  }
  return { namespace, pod: name, podUid: uid, container: containers[0]! };
}
