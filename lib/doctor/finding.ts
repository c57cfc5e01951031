/** What a check has found, and what it looks with. */
import type { Outbound } from "../outbound.ts";
import type { Lookup } from "../target_guard.ts";

/** What a finding is about; scripts may rely on these words. */
export type FindingCode =
  | "disk"
  | "port"
  | "dns"
  | "upstream"
  | "tls"
  | "clock"
  | "realm"
  | "credentials"
  | "quota"
  | "public_url";

/** A check's outcome. */
export interface Finding {
  readonly kind: "fine" | "warning" | "fault";
  readonly code: FindingCode;
  /** What was looked at, such as `docker.io`. */
  readonly subject: string;
  /** What is so, in a sentence for a person. */
  readonly message: string;
  /** What mends it. */
  readonly fix?: string;
}

/** The world outside the process, as far as checks look at it. */
export interface World {
  readonly outbound: Outbound;
  readonly lookup: Lookup;
  /** Opens a connection and closes it again. @throws where there is none. */
  connect(address: { hostname: string; port: number }): Promise<void>;
  /** Listens and stops at once. @throws {Deno.errors.AddrInUse} and others. */
  tryToListen(address: { hostname: string; port: number }): void;
  /** Writes and removes a file in the folder, or where it would be made. @throws where it cannot. */
  probeFolder(dir: string): Promise<void>;
  /** Bytes that the file system of the folder, or of where it would be made, has left. */
  freeBytes(dir: string): number;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Whether requests leave through an HTTP proxy, which resolves names by itself. */
  readonly hasHttpProxy: boolean;
  readonly signal: AbortSignal;
}
