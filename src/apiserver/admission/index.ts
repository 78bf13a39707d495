// The admission plugins in the order in which they run.
import type { AdmissionPlugin } from "./chain.ts";
import { namespaceContents } from "./namespace-contents.ts";
import { namespaceLifecycle } from "./namespace-lifecycle.ts";
import { serviceAllocation } from "./service-allocation.ts";

export const admissionPlugins: readonly AdmissionPlugin[] = [namespaceLifecycle, namespaceContents, serviceAllocation];
