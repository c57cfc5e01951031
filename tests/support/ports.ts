/**
 * TCP ports for components that have to be told theirs before they start.
 * The range lies below the kernel's ephemeral one, so that outgoing connections do not take them.
 */

const FIRST_PORT = 12_000;
const PORT_COUNT = 18_000;
const given = new Set<number>();

/** A port that nothing listens on, on the given address; never the same one twice. */
export function freePort(hostname = "127.0.0.1"): number {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    if (given.has(port) || !isFree(hostname, port)) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port on ${hostname}`);
}

function isFree(hostname: string, port: number): boolean {
  try {
    Deno.listen({ hostname, port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Whether something accepts connections there. */
export async function isListening(port: number, hostname = "127.0.0.1"): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
