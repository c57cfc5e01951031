/**
 * The configuration that makes an engine pull through this proxy, merged into what the engine's
 * files hold already. Pure: files are read by who calls, and written by nobody here.
 */
import { setUpBuildkit } from "./buildkit.ts";
import { setUpContainerd } from "./containerd.ts";
import { setUpDocker } from "./docker.ts";
import { setUpK3s } from "./k3s.ts";
import type { Engine, EngineSetup, ProxyAddress, ReadFile } from "./engine.ts";
import { setUpPodman } from "./podman.ts";

/**
 * Merges the proxy into an engine's files. `file` names another place than the engine's usual one.
 *
 * @throws {SetupError} where a file cannot be understood.
 */
export function setUpEngine(
  engine: Engine,
  proxy: ProxyAddress,
  readFile: ReadFile,
  file?: string,
): EngineSetup {
  switch (engine) {
    case "docker":
      return setUpDocker(proxy, readFile, file);
    case "containerd":
      return setUpContainerd(proxy, readFile, file);
    case "podman":
      return setUpPodman(proxy, readFile, file);
    case "buildkit":
      return setUpBuildkit(proxy, readFile, file);
    case "k3s":
      return setUpK3s(proxy, readFile, file);
    default:
      return engine satisfies never;
  }
}
