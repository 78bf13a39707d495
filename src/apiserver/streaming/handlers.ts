// The table of everything that is answered beside the generic verbs.
import { componentStatuses } from "../http/component-status.ts";
import type { ExtraHandlers } from "../http/router.ts";
import { connecting } from "./connect.ts";
import { attach, exec } from "./exec.ts";
import { logs } from "./logs.ts";
import { portForward } from "./portforward.ts";
import { proxyNode, proxyPod, proxyService } from "./proxy.ts";
import { nodeUsage, podUsage } from "./usage.ts";

export const streamHandlers: ExtraHandlers = {
  "/v1/componentstatuses": componentStatuses,
  "/v1/pods/log": logs,
  "/v1/pods/exec": connecting("PodExecOptions", exec),
  "/v1/pods/attach": connecting("PodAttachOptions", attach),
  "/v1/pods/portforward": connecting("PodPortForwardOptions", portForward),
  "/v1/pods/proxy": connecting("PodProxyOptions", proxyPod),
  "/v1/services/proxy": connecting("ServiceProxyOptions", proxyService),
  "/v1/nodes/proxy": connecting("NodeProxyOptions", proxyNode),
  "metrics.k8s.io/v1beta1/nodes": nodeUsage,
  "metrics.k8s.io/v1beta1/pods": podUsage,
};
