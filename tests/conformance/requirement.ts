/** A requirement of the distribution specification, and what a registry made of it. */
import { parseDigest } from "../../lib/reference.ts";
import type { Answer } from "../integration/pulling.ts";
import type { Column } from "./column.ts";

/** One requirement: what is done, and what the specification wants to see. */
export interface Requirement {
  /** The section, and a number in it. */
  readonly id: string;
  /** What has to hold, with MUST, SHOULD or MAY as the specification says it. */
  readonly title: string;
  /** Does it, and tells what was seen in a line. */
  readonly probe: (column: Column) => Promise<string>;
  /** The lines that conform. */
  readonly wants: RegExp;
}

/** What one column made of a requirement. */
export interface Outcome {
  readonly isConformant: boolean;
  readonly seen: string;
}

/** Probes one requirement; a failure of the probe is an outcome too. */
export async function judge(requirement: Requirement, column: Column): Promise<Outcome> {
  try {
    const seen = await requirement.probe(column);
    return { isConformant: requirement.wants.test(seen), seen };
  } catch (error) {
    const seen = `failed: ${error instanceof Error ? error.message : error}`;
    // Names and ports differ from column to column; what happened must not.
    return { isConformant: false, seen: seen.replaceAll(/\b127\.0\.0\.1:\d+|\d{5}/g, "…") };
  }
}

/** The status of an answer, and the codes of its errors. */
export function tell({ status, text, headers }: Answer): string {
  if (!headers.get("content-type")?.includes("json") || status < 400) return String(status);
  const body: { errors?: { code: string }[] } = JSON.parse(text === "" ? "{}" : text);
  const codes = new Set((body.errors ?? []).map(({ code }) => code));
  return [String(status), ...codes].join(" ");
}

/** A header, or the word for its absence. Digests are told as such, so that columns can be compared. */
export function tellHeader({ headers }: Answer, name: string): string {
  const value = headers.get(name);
  if (value === null) return `no ${name}`;
  return `${name}=${parseDigest(value) === undefined ? value : "digest"}`;
}

/** Whether a request was refused: the specification leaves open by which of two statuses. */
export function tellRefusal({ status }: Answer): string {
  return status === 400 || status === 404 ? "refused" : String(status);
}
