/**
 * What the container engines have in common: helpers of theirs that outlive them.
 */
import { run, signalProcess, waitFor } from "./process.ts";

/**
 * Ends every process that was started with this folder in its arguments. Shims and monitors put
 * themselves out of reach of their engine, and the folder, unique to it, is what they share.
 */
export async function endProcessesIn(folder: string): Promise<void> {
  await waitFor(`no process is left in ${folder}`, async () => {
    // `pgrep` never lists itself.
    const { stdout } = await run("pgrep", ["-f", "--", folder]);
    const pids = stdout.split("\n").filter((line) => line !== "").map(Number);
    for (const pid of pids) signalProcess(pid, "SIGKILL");
    return (await living(pids)).length === 0;
  }, 5000);
}

/** Those that are more than a zombie: where the init reaps nobody, zombies stay. */
async function living(pids: number[]): Promise<number[]> {
  if (pids.length === 0) return [];
  const { stdout } = await run("ps", ["-o", "pid=,stat=", "-p", pids.join(",")]);
  return stdout.split("\n").flatMap((line) => {
    const [pid, state] = line.trim().split(/\s+/);
    return pid === undefined || state === undefined || state.startsWith("Z") ? [] : [Number(pid)];
  });
}
