/** Manifests at their upstream. Equal questions at the same time share one answer. */
import { type Credential, credentialKey } from "../auth/credential.ts";
import type { Place } from "../cache/index.ts";
import { LruMap } from "../lru.ts";
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
import { Negatives } from "./negatives.ts";
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

/**
 * Reads manifests from upstream. Every success proves the caller's right to read. What it has just
 * said not to have is not asked for again for `NEGATIVE_TTL`.
 */
export interface ManifestSource {
  /** @throws {RegistryError} the upstream's refusal or failure, or bytes of another digest. */
  get(question: ManifestQuestion): Promise<FetchedManifest>;
  /**
   * By HEAD, which costs no quota; undefined where the upstream says too little.
   *
   * @throws {RegistryError} the upstream's refusal or failure.
   */
  head(question: ManifestQuestion): Promise<ManifestHead | undefined>;
  /** Makes nothing that was asked before a repository changed an answer to what is asked after. */
  forget(place: Place): void;
}

const MAX_CHANGED = 10_000;

/** What a source is made from. */
export interface ManifestSourceOptions {
  readonly origin: Origin;
  readonly proofs: AccessProofs;
  /** How long an upstream's 404 is believed. */
  readonly negativeTtlSeconds: number;
  readonly now: () => number;
  /** Is told of the bytes that upstreams sent. */
  readonly onFetched: (bytes: number) => void;
  /** Ends the source's requests: they are shared and belong to no caller. */
  readonly lifetime: AbortSignal;
}

/** Makes the source. */
export function createManifestSource(options: ManifestSourceOptions): ManifestSource {
  const { origin, proofs } = options;
  const believed = { ttlSeconds: options.negativeTtlSeconds, now: options.now };
  const gets = { flights: new SingleFlight<FetchedManifest>(), negatives: new Negatives(believed) };
  // Apart: there are registries that know a manifest by GET only.
  const heads = {
    flights: new SingleFlight<ManifestHead | undefined>(),
    negatives: new Negatives(believed),
  };
  /** By repository, a number that no earlier state of it had; in keys it parts old from new. */
  const generations = new LruMap<string, number>(MAX_CHANGED);
  let lastGeneration = 0;

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

  function keyOf({ target, reference, credential, accept }: ManifestQuestion): string {
    const place = placeOf(target);
    const generation = generations.get(placeKey(place));
    const caller = credentialKey(credential);
    return JSON.stringify([placeKey(place), generation, referenceText(reference), caller, accept]);
  }

  /** Lets equal questions share one answer, and a 404 answer those that follow. */
  function ask<Answer>(
    { flights, negatives }: { flights: SingleFlight<Answer>; negatives: Negatives },
    question: ManifestQuestion,
    work: () => Promise<Answer>,
  ): Promise<Answer> {
    const key = keyOf(question);
    return flights.run(key, async () => {
      // A pusher has to know what is there now, before it decides what to send.
      const isPusher = question.credential.kind === "bearer" &&
        question.credential.isForPush === true;
      if (!isPusher) negatives.check(key);
      try {
        return await work();
      } catch (error) {
        negatives.note(key, error);
        throw error;
      }
    });
  }

  return {
    get: (question) =>
      ask(gets, question, async () => {
        const { target, reference, credential } = question;
        const answer = await origin.ask(request(question, "GET"));
        if (answer.kind === "pass") return answer;
        const manifest = await readManifest(answer.response, target, reference);
        options.onFetched(manifest.size);
        proofs.remember(target, credential);
        return { kind: "manifest", manifest };
      }),
    head: (question) =>
      ask(heads, question, async () => {
        const { target, reference, credential } = question;
        const response = await origin.fetch(request(question, "HEAD"));
        const head = await readManifestHead(response, target, reference);
        proofs.remember(target, credential);
        return head;
      }),
    forget: (place) => generations.set(placeKey(place), ++lastGeneration),
  };
}

function placeKey({ registry, repository }: Place): string {
  return `${registry} ${repository}`;
}
