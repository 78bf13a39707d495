// One call of one admission webhook: conversion to the version that it asks for, the question, and what a failure means.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go.
import { randomUUID } from "node:crypto";
import type { AnyKind, KindRegistry } from "../../../kinds/registry.ts";
import { badRequest, internalError, StatusError } from "../../../machinery/errors.ts";
import type { Logger } from "../../../machinery/log.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import type { Store } from "../../../store/store.ts";
import { cloneJson, toStored } from "../../core/entries.ts";
import { callWebhook, type ClientConfig } from "../../webhooks/call.ts";
import type { AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { Hooks, type Candidate } from "./hooks.ts";
import { createWebhookMetrics, type WebhookMetrics } from "./metrics.ts";
import { denial, requestOf, reviewVersionOf, verdictOf, type HookType, type Verdict } from "./review.ts";
import type { Seen } from "./selection.ts";

/** What both webhook plugins share and keep between requests. */
export interface Webhooks {
  readonly mutating: Hooks;
  readonly validating: Hooks;
  readonly metrics: WebhookMetrics;
  readonly log: Logger;
}

export const createWebhooks = (store: Store, kinds: KindRegistry, log: Logger): Webhooks => ({
  mutating: new Hooks(store, kinds, "mutatingwebhookconfigurations"),
  validating: new Hooks(store, kinds, "validatingwebhookconfigurations"),
  metrics: createWebhookMetrics(),
  log: log.child({ component: "admission-webhooks" }),
});

/** The webhook could not be asked or made no sense: its failure policy decides what that means. */
class CallError extends Error {}

/** The object in another version of its kind. Neither is written to. Throws StatusError. */
export async function converted(object: KubeObject, from: AnyKind, to: AnyKind): Promise<KubeObject> {
  if (from === to) return object;
  // What somebody else converts is remembered by the object, and this one may still change.
  const copy = cloneJson(object);
  if (from.storage?.foreign) await from.storage.foreign.prepareStored(copy);
  const stored = toStored(from, copy);
  if (to.storage?.foreign) await to.storage.foreign.prepare([stored]);
  return to.storage ? to.storage.fromStored(stored) : stored;
}

/** Subresources with a type of their own are the same in all versions. */
export async function seenIn(seen: Seen, request: AdmissionRequest, to: AnyKind): Promise<Seen> {
  const from = request.kind;
  if (from === to || request.objectKind) return seen;
  return {
    object: seen.object && (await converted(seen.object, from, to)),
    old: seen.old && (await converted(seen.old, from, to)),
  };
}

export interface Question {
  readonly candidate: Candidate;
  readonly request: AdmissionRequest;
  /** In the version that the webhook asks for. */
  readonly seen: Seen;
  readonly type: HookType;
  /** Milliseconds that are left of the request's time; the webhook's own timeout may be shorter. */
  readonly leftMs: number;
  /** Where in the order it stands, for audit. */
  readonly position: string;
}

/**
 * The verdict of a webhook that allows the request; undefined when it failed and is to be ignored.
 * Throws StatusError when it denies, or fails and must not.
 */
export async function ask(
  question: Question,
  { store, clock, webhooks }: Pick<AdmissionWorld, "store" | "clock" | "webhooks">,
  use: (verdict: Verdict) => void = () => {},
): Promise<void> {
  const { request, candidate, type, position } = question;
  const { webhook } = candidate.hook;
  const labels = { name: webhook.name, type, operation: request.operation };
  const began = clock.now();
  const done = (rejected: boolean) => webhooks.metrics.called(labels, (clock.now() - began) / 1000, rejected);
  try {
    const verdict = await verdictFrom(question, store);
    for (const [key, value] of Object.entries(verdict.auditAnnotations)) {
      request.auditAnnotations?.set(`${webhook.name}/${key}`, String(value));
    }
    request.warnings.push(...verdict.warnings);
    if (!verdict.allowed) throw new Denied(denial(webhook.name, verdict.result));
    use(verdict);
    done(false);
  } catch (error) {
    const isIgnored = error instanceof CallError && webhook.failurePolicy === "Ignore";
    done(!isIgnored);
    if (error instanceof Denied) {
      webhooks.metrics.rejected(labels, "no_error", error.status.code);
      throw error.status;
    }
    if (!(error instanceof CallError)) {
      webhooks.metrics.rejected(labels, "apiserver_internal_error", 0);
      throw error;
    }
    webhooks.log.warn({ error, webhook: webhook.name, isIgnored }, "an admission webhook failed");
    if (!isIgnored) {
      webhooks.metrics.rejected(labels, "calling_webhook_error", 0);
      throw internalError(error.message);
    }
    webhooks.metrics.failedOpen(labels);
    const prefix = type === "admit" ? "mutation" : "validating";
    request.auditAnnotations?.set(`failed-open.${prefix}.webhook.admission.k8s.io/${position}`, webhook.name);
  }
}

class Denied extends Error {
  readonly status: StatusError;
  constructor(status: StatusError) {
    super(status.message);
    this.status = status;
  }
}

async function verdictFrom(question: Question, store: Store): Promise<Verdict> {
  const { candidate, request, seen, type, leftMs } = question;
  const { name, sideEffects, timeoutSeconds = 10, admissionReviewVersions, clientConfig } = candidate.hook.webhook;
  if (request.transaction.dryRun && sideEffects !== "None" && sideEffects !== "NoneOnDryRun") {
    throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
  }
  const uid = randomUUID();
  const version = reviewVersionOf(admissionReviewVersions);
  const body = {
    kind: "AdmissionReview",
    apiVersion: `admission.k8s.io/${version}`,
    request: {
      uid,
      ...requestOf(request, candidate.kind, type),
      object: seen.object ?? null,
      oldObject: seen.old ?? null,
    },
  };
  const failed = (why: string, cause: unknown) =>
    new CallError(`failed calling webhook ${JSON.stringify(name)}: ${why}: ${(cause as Error).message}`, { cause });
  let answer: unknown;
  try {
    const timeoutMs = Math.min(timeoutSeconds * 1000, leftMs);
    answer = await callWebhook({
      store,
      clientConfig: clientConfig as ClientConfig,
      body,
      timeoutMs,
      tellsTimeout: true,
    });
  } catch (error) {
    throw failed("failed to call webhook", error);
  }
  try {
    return verdictOf(answer, uid, version, type);
  } catch (error) {
    throw failed("received invalid webhook response", error);
  }
}

/** For faults of a webhook that its failure policy covers. */
export const failedCall = (name: string, why: string): Error =>
  new CallError(`failed calling webhook ${JSON.stringify(name)}: ${why}`);
