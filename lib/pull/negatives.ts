/**
 * Manifests that an upstream said it does not have, for seconds: a client that polls for an image, or
 * a hundred nodes that are told to run one that is not there, cost one request.
 */
import { RegistryError } from "../errors.ts";
import { LruMap } from "../lru.ts";

const MAX_NEGATIVES = 10_000;

interface Negative {
  readonly error: RegistryError;
  readonly until: number;
}

/** What is not there, by the question that was asked. */
export class Negatives {
  readonly #entries = new LruMap<string, Negative>(MAX_NEGATIVES);
  readonly #ttlSeconds: number;
  readonly #now: () => number;

  constructor(options: { ttlSeconds: number; now: () => number }) {
    this.#ttlSeconds = options.ttlSeconds;
    this.#now = options.now;
  }

  /** Throws what the upstream said. @throws {RegistryError} */
  check(question: string): void {
    const entry = this.#entries.get(question);
    if (entry === undefined) return;
    if (entry.until <= this.#now()) {
      this.#entries.delete(question);
      return;
    }
    const { code, message, status, detail } = entry.error;
    throw new RegistryError(code, message, { status, detail });
  }

  /** Remembers an upstream's 404; any other error says nothing about what is there. */
  note(question: string, error: unknown): void {
    if (!(error instanceof RegistryError) || error.status !== 404) return;
    this.#entries.set(question, { error, until: this.#now() + this.#ttlSeconds * 1000 });
  }
}
