/**
 * The real programs that tests run against, and whether they are here.
 * A test says `ignore: !has("dockerd")`; what was skipped is told loudly at the end of its file.
 */
import { join } from "node:path";
import { cleanEnv } from "./process.ts";

interface Requirement {
  /** Programs that must be on the path. */
  commands: string[];
  /** Debian's packages that bring them. */
  packages: string[];
  /** Whether it runs in a mount namespace of its own, which takes root. */
  needsNamespace?: boolean;
}

/** Every component. `dockerd` is asked for, not `docker`: a client alone has no engine. */
export const COMPONENTS = {
  "docker-registry": { commands: ["docker-registry"], packages: ["docker-registry"] },
  dockerd: {
    commands: ["dockerd", "docker", "containerd", "runc", "pgrep"],
    packages: ["docker.io", "containerd", "runc", "procps"],
    needsNamespace: true,
  },
  containerd: {
    commands: ["containerd", "ctr", "runc", "pgrep"],
    packages: ["containerd", "runc", "procps"],
    needsNamespace: true,
  },
  podman: { commands: ["podman", "runc"], packages: ["podman", "runc"], needsNamespace: true },
  buildah: { commands: ["buildah", "runc"], packages: ["buildah", "runc"], needsNamespace: true },
  skopeo: { commands: ["skopeo"], packages: ["skopeo"] },
  redis: { commands: ["redis-server"], packages: ["redis-server"] },
  nginx: { commands: ["nginx"], packages: ["nginx-light"] },
  load: { commands: ["wrk", "curl"], packages: ["wrk", "curl"] },
  promtool: { commands: ["promtool"], packages: ["prometheus"] },
  openssl: { commands: ["openssl"], packages: ["openssl"] },
  chromium: { commands: ["chromium"], packages: ["chromium", "fonts-noto-cjk"] },
  busybox: { commands: ["busybox"], packages: ["busybox-static"] },
  namespace: {
    commands: ["unshare", "nsenter", "mount"],
    packages: ["util-linux", "mount"],
    needsNamespace: true,
  },
  network: {
    commands: ["unshare", "nsenter", "ip"],
    packages: ["util-linux", "iproute2"],
    needsNamespace: true,
  },
  disk: {
    commands: ["mount", "umount", "losetup", "mkfs.ext4", "e2fsck"],
    packages: ["mount", "e2fsprogs"],
    needsNamespace: true,
  },
} satisfies Record<string, Requirement>;

/** The name of a component. */
export type Component = keyof typeof COMPONENTS;

/** All names. */
export const COMPONENT_NAMES = Object.keys(COMPONENTS).filter(isComponent);

function isComponent(name: string): name is Component {
  return name in COMPONENTS;
}

/** The commands of a component that are not on the path. */
export function missingCommands(component: Component): string[] {
  return COMPONENTS[component].commands.filter((command) => findCommand(command) === null);
}

/** Where a command is, looking where children will look unless told where. */
export function findCommand(command: string, path = cleanEnv()["PATH"] ?? ""): string | null {
  for (const folder of path.split(":")) {
    const file = join(folder, command);
    try {
      if (Deno.statSync(file).isFile) return file;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return null;
}

let namespaces: boolean | undefined;

/** Whether processes with mounts of their own can be started: root, and not too confined. */
export function canUnshare(): boolean {
  namespaces ??= findCommand("unshare") !== null &&
    new Deno.Command("unshare", { args: ["-m", "true"], stdout: "null", stderr: "null" })
      .outputSync().success;
  return namespaces;
}

/** Whether a component can be used here, and if not, why. */
export function reasonMissing(component: Component): string | null {
  const commands = missingCommands(component);
  if (commands.length > 0) return `no ${commands.join(", ")}`;
  const requirement: Requirement = COMPONENTS[component];
  return requirement.needsNamespace && !canUnshare() ? "no right to make namespaces" : null;
}

const skipped = new Map<Component, string>();

/** Whether a component is here, for `ignore`. A no is told when the test file is done. */
export function has(component: Component): boolean {
  const reason = reasonMissing(component);
  if (reason === null) return true;
  if (skipped.size === 0) globalThis.addEventListener("unload", tellSkipped);
  skipped.set(component, reason);
  return false;
}

function tellSkipped(): void {
  const list = [...skipped].map(([component, reason]) => `${component} (${reason})`).join(", ");
  Deno.stderr.writeSync(new TextEncoder().encode(`\n!! SKIPPED here for want of: ${list}\n`));
}
