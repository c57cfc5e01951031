/** The ways in which a transfer goes wrong, and what can be hoped for. */
import type { Chance } from "./chance.ts";

/** A fault of one answer. `at` is a share of its body, from 0 to 1. */
export type Fault =
  /** The connection is reset. */
  | { readonly kind: "reset"; readonly at: number }
  /** The connection is closed before the length that was announced. */
  | { readonly kind: "drop"; readonly at: number }
  /** No byte comes any more, and the connection stays. */
  | { readonly kind: "stall"; readonly at: number }
  /** The body ends early in good order, without a length that would tell. */
  | { readonly kind: "clean-end"; readonly at: number }
  /** The body begins in tiny pieces with pauses, shorter than the idle time-out. */
  | { readonly kind: "drip" }
  | { readonly kind: "status"; readonly status: number }
  /** The signed URL is refused as expired. */
  | { readonly kind: "expired" }
  /** Content-Length is larger or smaller than the body. */
  | { readonly kind: "length-lie"; readonly by: number }
  /** A Range is answered with 200 and everything. */
  | { readonly kind: "rangeless" }
  /** A Range is answered with another one, honestly labelled. */
  | { readonly kind: "other-range"; readonly by: number }
  /** A Range is answered with the bytes of another one. */
  | { readonly kind: "shifted-range"; readonly by: number }
  | { readonly kind: "wrong-byte"; readonly at: number }
  | { readonly kind: "duplicate"; readonly at: number; readonly bytes: number };

/** What is to happen to the transfer of one blob. */
export interface Script {
  /** The row of the report. */
  readonly name: string;
  /** One fault for each answer in turn; answers after the last are right. */
  readonly faults: readonly Fault[];
  /**
   * `transient`: asking again mends it, so that clients get everything. `corrupting`: what was sent
   * cannot be mended, so that clients must see a broken transfer.
   */
  readonly hope: "transient" | "corrupting";
}

/** What a script is written for. */
export interface Scene {
  /** Where the bytes come from: the registry itself, or the storage that it redirects to. */
  readonly source: "registry" | "storage";
  /** Whether the proxy has seen a manifest that tells the size. */
  readonly isSizeKnown: boolean;
}

/** The rows of the report. */
export const SCRIPT_NAMES = [
  "reset",
  "drop",
  "stall",
  "clean end",
  "slow drip",
  "500 burst",
  "502 burst",
  "503 burst",
  "429 burst",
  "403 expired",
  "length too large",
  "length too small",
  "200 for 206",
  "other range",
  "shifted range",
  "wrong byte",
  "duplicate bytes",
  "several",
] as const;

/** One of {@linkcode SCRIPT_NAMES}. */
export type ScriptName = typeof SCRIPT_NAMES[number];

/** Writes a script. */
export function writeScript(name: ScriptName, scene: Scene, chance: Chance): Script {
  const transient = (...faults: Fault[]): Script => ({ name, faults, hope: "transient" });
  const corrupting = (...faults: Fault[]): Script => ({ name, faults, hope: "corrupting" });
  // Whoever was told a length waits for it, so that only a length known before can be kept to.
  const lie = scene.isSizeKnown ? transient : corrupting;
  const at = () => chance.between(0.02, 0.98);
  const drop = (): Fault => ({ kind: "drop", at: chance.between(0.2, 0.8) });
  const by = () => chance.whole(1, 200_000);
  switch (name) {
    case "reset":
    case "drop":
    case "stall":
      return transient({ kind: name, at: at() });
    case "clean end":
      return transient({ kind: "clean-end", at: at() });
    case "slow drip":
      return transient({ kind: "drip" });
    case "500 burst":
    case "502 burst":
    case "503 burst":
    case "429 burst":
      return transient(...burst(Number(name.slice(0, 3)), scene, chance));
    case "403 expired":
      if (scene.source === "registry") return transient(drop(), ...burst(503, scene, chance));
      return chance.next() < 0.5
        ? transient({ kind: "expired" })
        : transient(drop(), { kind: "expired" });
    case "length too large":
      return lie({ kind: "length-lie", by: by() });
    case "length too small":
      return lie({ kind: "length-lie", by: -by() });
    case "200 for 206":
      return transient(drop(), { kind: "rangeless" });
    case "other range":
      return transient(
        drop(),
        ...times(chance.whole(1, 3), (): Fault => ({ kind: "other-range", by: by() })),
      );
    case "shifted range":
      return corrupting(drop(), { kind: "shifted-range", by: by() });
    case "wrong byte":
      return corrupting({ kind: "wrong-byte", at: at() });
    case "duplicate bytes":
      return corrupting({ kind: "duplicate", at: at(), bytes: by() });
    case "several":
      return transient(
        drop(),
        ...times(chance.whole(1, 4), (): Fault =>
          chance.pick<Fault>([
            { kind: "reset", at: at() },
            { kind: "drop", at: at() },
            { kind: "drip" },
            { kind: "status", status: chance.pick([500, 502, 503]) },
          ])),
      );
    default:
      return name satisfies never;
  }
}

/** Refusals at the beginning, or where a transfer broke. */
function burst(status: number, { source }: Scene, chance: Chance): Fault[] {
  const refusals = times(chance.whole(1, 3), (): Fault => ({ kind: "status", status }));
  // A registry that limits a client at the beginning is told to the client: it must know.
  const isLater = (source === "registry" && status === 429) || chance.next() < 0.5;
  return isLater ? [{ kind: "drop", at: chance.between(0.2, 0.8) }, ...refusals] : refusals;
}

function times<Item>(count: number, make: () => Item): Item[] {
  return Array.from({ length: count }, make);
}
