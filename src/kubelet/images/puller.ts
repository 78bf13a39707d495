// Makes sure that a container's image is on the node, by its pull policy, with back-off after failures.
// Follows kubernetes v1.36 pkg/kubelet/images/image_manager.go (EnsureImageExists: reasons, events).
import type { Pod, Secret } from "../../kinds/generated/core.v1.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { RuntimeClient } from "../cri/client.ts";
import type { AuthConfig, ImageInfo } from "../cri/types.ts";
import type { AnyContainer } from "../pod/model.ts";
import { Backoff } from "../pod/backoff.ts";
import { credentialsFor } from "./credentials.ts";

export class ImageError extends Error {
  readonly reason: "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" | "ImageInspectError";
  /** Milliseconds since the epoch when to ask again. */
  readonly retryAt: number;
  constructor(reason: ImageError["reason"], message: string, retryAt: number) {
    super(message);
    this.reason = reason;
    this.retryAt = retryAt;
  }
}

/** A failed pull is shown as such for so long, and then as a wait for the next one. */
const failureShowsMs = 2000;

/** How long an image that was there is taken to be there still. */
const lookLastsMs = 2000;

export type ImageEvent = (type: "Normal" | "Warning", reason: string, message: string) => void;

const referencePattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$/;

export const isImageReference = (image: string): boolean =>
  referencePattern.test(image) || /^sha256:[0-9a-f]{64}$/.test(image);

export class ImagePuller {
  readonly #runtime: RuntimeClient;
  readonly #clock: Clock;
  readonly #backoff = new Backoff();
  readonly #failures = new Map<string, { at: number; message: string }>();
  readonly #pulls = new Map<string, Promise<string>>();
  readonly #looks = new Map<string, { readonly at: number; readonly found: Promise<ImageInfo | undefined> }>();

  constructor(runtime: RuntimeClient, clock: Clock) {
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /** Looks for the image ahead of time, so that `ensure` soon afterwards need not wait. */
  glance({ image = "", imagePullPolicy }: AnyContainer): void {
    if (imagePullPolicy !== "Always" && isImageReference(image)) this.#look(image).catch(() => {});
  }

  /** What the runtime has under a name; several pods that start together share one look. */
  #look(image: string): Promise<ImageInfo | undefined> {
    const now = this.#clock.now();
    const last = this.#looks.get(image);
    if (last && now - last.at < lookLastsMs) return last.found;
    for (const [name, { at }] of this.#looks) if (now - at >= lookLastsMs) this.#looks.delete(name);
    const found = this.#runtime.imageStatus(image);
    this.#looks.set(image, { at: now, found });
    const forget = () => this.#looks.delete(image);
    found.then((info) => info ?? forget(), forget);
    return found;
  }

  /** The image as the runtime knows it. Throws ImageError. */
  async ensure(pod: Pod, container: AnyContainer, secrets: readonly Secret[], event: ImageEvent): Promise<ImageInfo> {
    const image = container.image ?? "";
    if (!isImageReference(image)) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      event("Warning", "InspectFailed", message);
      throw new ImageError("InvalidImageName", message, this.#clock.now() + 60_000);
    }
    const policy = container.imagePullPolicy ?? "IfNotPresent";
    const present = policy === "Always" ? undefined : await this.#look(image);
    if (present) {
      event("Normal", "Pulled", `Container image "${image}" already present on machine and can be accessed by the pod`);
      return present;
    }
    if (policy === "Never") {
      const message = `Container image "${image}" is not present with pull policy of Never`;
      event("Warning", "ErrImageNeverPull", message);
      throw new ImageError("ErrImageNeverPull", message, this.#clock.now() + 60_000);
    }
    return this.#pullWithBackoff(pod, image, credentialsFor(image, secrets), event);
  }

  async #pullWithBackoff(pod: Pod, image: string, auths: AuthConfig[], event: ImageEvent): Promise<ImageInfo> {
    const key = `${pod.metadata.uid}/${image}`;
    const failure = this.#failures.get(key);
    const until = failure ? this.#backoff.until(key, failure.at) : 0;
    if (failure && until > this.#clock.now()) {
      event("Normal", "BackOff", `Back-off pulling image "${image}"`);
      throw new ImageError(
        "ImagePullBackOff",
        `Back-off pulling image "${image}": ErrImagePull: ${failure.message}`,
        until,
      );
    }
    event("Normal", "Pulling", `Pulling image "${image}"`);
    const startedAt = this.#clock.now();
    try {
      const reference = await this.#pull(image, auths);
      const info = (await this.#runtime.imageStatus(reference)) ?? (await this.#runtime.imageStatus(image));
      if (!info) throw new Error("the image is not there after its pull");
      this.#failures.delete(key);
      const took = ((this.#clock.now() - startedAt) / 1000).toFixed(3);
      event(
        "Normal",
        "Pulled",
        `Successfully pulled image "${image}" in ${took}s (${took}s including waiting). Image size: ${info.size} bytes.`,
      );
      return info;
    } catch (error) {
      const now = this.#clock.now();
      const { message } = error as Error;
      this.#failures.set(key, { at: now, message });
      this.#backoff.next(key, now);
      event("Warning", "Failed", `Failed to pull image "${image}": ${message}`);
      event("Warning", "Failed", "Error: ErrImagePull");
      throw new ImageError("ErrImagePull", message, Math.min(now + failureShowsMs, this.#backoff.until(key, now)));
    }
  }

  /** Tries each credential in turn; pods that want the same with the same rights share one pull. */
  async #pull(image: string, auths: AuthConfig[]): Promise<string> {
    const key = JSON.stringify([image, auths]);
    const running = this.#pulls.get(key);
    if (running) return running;
    const attempt = async () => {
      let failure: unknown;
      for (const auth of auths.length > 0 ? auths : [undefined]) {
        try {
          return await this.#runtime.pullImage(image, auth, undefined);
        } catch (error) {
          failure = error;
        }
      }
      throw failure;
    };
    const pull = attempt().finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, pull);
    return pull;
  }

  forget(uid: string): void {
    this.#backoff.forget(`${uid}/`);
    for (const key of this.#failures.keys()) if (key.startsWith(`${uid}/`)) this.#failures.delete(key);
  }
}
