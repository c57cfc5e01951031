/**
 * Proxies by one configuration after the other: new requests are the newest one's, and those under
 * way end where they began.
 */
import type { Composition } from "./compose.ts";

type Handler = Deno.ServeHandler<Deno.NetAddr>;

/** Proxies in use. */
export interface Generations {
  readonly handler: Handler;
  /** The newest. */
  readonly current: Composition;
  /** Gives new requests to another. What was current ends with its last request and fill. */
  replace(next: Generation): void;
  /** Resolves when no fill is under way. */
  idle(): Promise<void>;
  /** Ends all, whatever is under way. */
  end(reason: Error): void;
}

/** A proxy, and what ends it. */
export interface Generation {
  readonly composition: Composition;
  readonly lifetime: AbortController;
}

/** A generation with the requests that it still has. */
interface Used extends Generation {
  requests: number;
  /** Set when it has been replaced. */
  onIdle: (() => void) | undefined;
}

/** Begins with one. */
export function createGenerations(first: Generation): Generations {
  let current = use(first);
  const all = new Set([current]);

  function use(generation: Generation): Used {
    return { ...generation, requests: 0, onIdle: undefined };
  }

  const handler: Handler = (request, info) => {
    const generation = current;
    generation.requests++;
    const leave = (): void => {
      generation.requests--;
      if (generation.requests === 0) generation.onIdle?.();
    };
    info.completed.then(leave, leave);
    return generation.composition.handler(request, info);
  };

  async function retire(old: Used): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    old.onIdle = resolve;
    if (old.requests > 0) await promise;
    await old.composition.fills.idle();
    all.delete(old);
    old.lifetime.abort(new Error("another configuration is in effect"));
  }

  return {
    handler,
    get current() {
      return current.composition;
    },
    replace(next) {
      const old = current;
      current = use(next);
      all.add(current);
      retire(old);
    },
    async idle() {
      await Promise.all([...all].map(({ composition }) => composition.fills.idle()));
    },
    end(reason) {
      for (const { lifetime } of all) lifetime.abort(reason);
    },
  };
}
