/** What a proxy, an engine and the files between them are, for setting engines up. */

/** The engines that can be set up; `podman` is also Buildah, Skopeo and CRI-O. */
export const ENGINES = ["docker", "containerd", "podman", "buildkit", "k3s"] as const;

/** One of {@linkcode ENGINES}. */
export type Engine = typeof ENGINES[number];

/** The proxy, as the engine will reach it. */
export interface ProxyAddress {
  /** Scheme, host and port. */
  readonly base: URL;
  /** The registries that are served, by their names in image references. */
  readonly registries: readonly string[];
  /** Where Docker Hub's images lie under the names that Docker Hub gives them, if anywhere. */
  readonly hubMirror: URL | null;
}

/** A file as it should be. */
export interface SetupFile {
  readonly path: string;
  /** Whole, with what was there before. */
  readonly text: string;
}

/** What an engine needs. */
export interface EngineSetup {
  readonly files: readonly SetupFile[];
  /** What is to be done when the files are written, in a person's words. */
  readonly next: string;
  /** A command that pulls through the proxy then. */
  readonly example: string;
}

/** Gives a file's text, or undefined where there is no such file. */
export type ReadFile = (path: string) => string | undefined;

/** The files cannot be merged by a program; the message says what to write where. */
export class SetupError extends Error {
  override readonly name = "SetupError";
}
