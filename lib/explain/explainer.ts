/** Explains images of one running proxy, and asks their upstreams where that is wanted. */
import { type ExplainDeps, explainImage, type Explanation, resolveImage } from "./explain.ts";
import { type Probe, type ProbeDeps, probeImage } from "./probe.ts";

/** Explains images. */
export interface Explainer {
  /** Asks nobody. */
  explain(image: string): Explanation;
  /** Asks the upstream; null where the name leads nowhere. Never throws. */
  probe(image: string, signal: AbortSignal): Promise<Probe | null>;
}

/** Makes the explainer. */
export function createExplainer(deps: ExplainDeps & Omit<ProbeDeps, "policy">): Explainer {
  return {
    explain: (image) => explainImage(image, deps),
    async probe(image, signal) {
      const resolved = resolveImage(image, deps.router);
      if ("why" in resolved) return null;
      const explained = explainImage(image, deps);
      // The first is the config, which is a blob wherever the manifest is no index.
      const isIndex = explained.kind === "image" &&
        /index|manifest\.list/.test(explained.cache.mediaType ?? "");
      const first = explained.kind === "image" && !isIndex ? explained.cache.content[0] : undefined;
      return await probeImage(
        resolved,
        first?.digest ?? null,
        { client: deps.client, policy: deps.config.redirect, now: deps.now },
        signal,
      );
    },
  };
}
