/**
 * The version of this program, from the one place where it is written.
 */
import project from "../deno.json" with { type: "json" };

/** The version, such as `0.1.0`. */
export const VERSION: string = project.version;
