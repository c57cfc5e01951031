/**
 * Tells when a file has changed, by looking at it: that sees it written anew, replaced by another, and
 * behind a link that points elsewhere now, as Kubernetes does it, on every file system.
 */

const LOOK_MS = 1000;

/**
 * Calls back when the file is not what it was and has not changed between two looks, so that nobody
 * reads what is half written. A file that is not there is waited for. Keeps no process alive.
 */
export function watchFile(path: string, onChange: () => void, signal: AbortSignal): void {
  let known = look(path);
  let last = known;
  const timer = setInterval(() => {
    const found = look(path);
    const isSettled = found === last;
    last = found;
    if (found === undefined || found === known || !isSettled) return;
    known = found;
    onChange();
  }, LOOK_MS);
  Deno.unrefTimer(timer);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

/** What tells one state of a file from another; undefined where there is none to be read. */
function look(path: string): string | undefined {
  try {
    const { dev, ino, mtime, size } = Deno.statSync(path);
    return `${dev} ${ino} ${mtime?.getTime()} ${size}`;
  } catch {
    return undefined;
  }
}
