/** Errors of the API, in the registry's shape. */
import { RegistryError } from "../../errors.ts";

/** A fault of the caller's. */
export function invalid(message: string): RegistryError {
  return new RegistryError("UNSUPPORTED", message, { status: 400 });
}

/** Something that is not there. */
export function missing(message: string): RegistryError {
  return new RegistryError("NAME_UNKNOWN", message);
}
