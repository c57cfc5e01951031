/**
 * Processes with a mount namespace of their own: what is bound over /etc there is seen by nobody
 * else, and every mount they leave behind goes with them.
 */

/** What a process finds in place of the machine's. */
export interface Private {
  /** Names in /etc/hosts, beside localhost. */
  hosts?: Record<string, string>;
  /** A directory to see as /etc/docker. */
  etcDocker?: string;
  /** Whether /run is empty and its own. Engines keep sockets of their helpers there. */
  run?: boolean;
  /** A namespace even if nothing is private yet. */
  always?: boolean;
}

/** A command with its arguments. */
export interface CommandLine {
  command: string;
  args: string[];
}

/** The command as it has to be run to find all that; the process id stays that of the command. */
export function namespaced(wanted: Private, command: string, args: string[]): CommandLine {
  const steps: string[] = [];
  const env: string[] = [];
  const names = Object.entries(wanted.hosts ?? {});
  if (names.length > 0) {
    const lines = names.map(([name, address]) => `${address} ${name}\n`).join("");
    env.push(`HOSTS=127.0.0.1 localhost\n::1 localhost\n${lines}`);
    // A file for a moment only: the mount keeps it when its name is gone.
    steps.push(
      "file=$(mktemp)",
      'printf "%s" "$HOSTS" >"$file"',
      'chmod 644 "$file"',
      'mount --bind "$file" /etc/hosts',
      'rm -f "$file"',
      "unset HOSTS file",
    );
  }
  if (wanted.etcDocker !== undefined) {
    env.push(`ETC_DOCKER=${wanted.etcDocker}`);
    steps.push("mkdir -p /etc/docker", 'mount --bind "$ETC_DOCKER" /etc/docker');
    steps.push("unset ETC_DOCKER");
  }
  if (wanted.run) steps.push("mount -t tmpfs -o mode=755 tmpfs /run", "mkdir /run/lock");
  if (steps.length === 0 && !wanted.always) return { command, args };
  const script = ["set -e", ...steps, 'exec "$@"'].join("\n");
  const inner = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"];
  return { command: "env", args: [...env, ...inner, command, ...args] };
}

/** The command as it has to be run to see what a namespaced process sees. */
export function inNamespaceOf(pid: number, command: string, args: string[]): CommandLine {
  return { command: "nsenter", args: ["-t", String(pid), "-m", "--", command, ...args] };
}
