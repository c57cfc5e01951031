/** What JSON from elsewhere may be. */

/** Whether a value is an object or a list, whose members may be looked at. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
