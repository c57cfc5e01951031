/** Manifests at their upstream. Equal questions at the same time share one answer. */
import { type Credential, credentialKey } from "../auth/credential.ts";
import { FULL_ACCEPT } from "../media_type.ts";
import { type Reference, referenceText } from "../reference.ts";
import type { Target } from "../routing/route.ts";
import { SingleFlight } from "../single_flight.ts";
import type { Origin, OriginRequest } from "../upstream/origin.ts";
import type { AccessProofs } from "./access.ts";
import {
  type Manifest,
  type ManifestHead,
  readManifest,
  readManifestHead,
} from "./manifest_value.ts";
import { placeOf } from "./request.ts";

/** What the upstream gave for a GET. */
export type FetchedManifest =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  /** The client is to go there itself. */
  | { readonly kind: "pass"; readonly status: number; readonly location: URL };

/** What is asked, and for whom. */
export interface ManifestQuestion {
  readonly target: Target;
  readonly reference: Reference;
  readonly credential: Credential;
  /** The client's own Accept where the full list gave what it cannot take. */
  readonly accept?: string;
}

/** Reads manifests from upstream. Every success proves the caller's right to read. */
export interface ManifestSource {
  /** @throws {RegistryError} the upstream's refusal or failure, or bytes of another digest. */
  get(question: ManifestQuestion): Promise<FetchedManifest>;
  /**
   * By HEAD, which costs no quota; undefined where the upstream says too little.
   *
   * @throws {RegistryError} the upstream's refusal or failure.
   */
  head(question: ManifestQuestion): Promise<ManifestHead | undefined>;
}

/** Makes the source. `lifetime` ends its requests: they are shared and belong to no caller. */
export function createManifestSource(
  options: { origin: Origin; proofs: AccessProofs; lifetime: AbortSignal },
): ManifestSource {
  const { origin, proofs } = options;
  const gets = new SingleFlight<FetchedManifest>();
  const heads = new SingleFlight<ManifestHead | undefined>();

  function request(question: ManifestQuestion, method: "GET" | "HEAD"): OriginRequest {
    return {
      target: question.target,
      method,
      path: `manifests/${referenceText(question.reference)}`,
      headers: { accept: question.accept ?? FULL_ACCEPT },
      credential: question.credential,
      signal: options.lifetime,
    };
  }

  return {
    get: (question) =>
      gets.run(keyOf(question), async () => {
        const { target, reference, credential } = question;
        const answer = await origin.ask(request(question, "GET"));
        if (answer.kind === "pass") return answer;
        const manifest = await readManifest(answer.response, target, reference);
        proofs.remember(target, credential);
        return { kind: "manifest", manifest };
      }),
    head: (question) =>
      heads.run(keyOf(question), async () => {
        const { target, reference, credential } = question;
        const response = await origin.fetch(request(question, "HEAD"));
        const head = await readManifestHead(response, target, reference);
        proofs.remember(target, credential);
        return head;
      }),
  };
}

function keyOf({ target, reference, credential, accept }: ManifestQuestion): string {
  const { registry, repository } = placeOf(target);
  return JSON.stringify([
    registry,
    repository,
    referenceText(reference),
    credentialKey(credential),
    accept,
  ]);
}
