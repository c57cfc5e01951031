/** Clients that cost little: `wrk` for many requests, `curl` for long transfers. */
import { runOk, sleep } from "../tests/support/process.ts";
import { tempDir } from "../tests/support/temp.ts";

const MIB = 1 << 20;

/** What one measurement came to. */
export interface Sample {
  /** In the case's unit. */
  readonly value: number;
  /** CPU of the server, in seconds. */
  readonly cpuSeconds: number;
  /** What was transferred. */
  readonly bytes: number;
}

/** Requests per second, or MiB per second where `unit` says so, of so many connections. */
export async function measureMany(
  pid: number,
  url: string,
  options: {
    connections: number;
    seconds: number;
    unit: "req/s" | "MiB/s";
    headers?: string[];
  },
): Promise<Sample> {
  const before = await cpuSeconds(pid);
  const output = await runOk("wrk", [
    ...["-t", "1", "-c", String(options.connections), "-d", `${options.seconds}s`],
    ...["--timeout", "30s", ...(options.headers ?? []).flatMap((header) => ["-H", header]), url],
  ]);
  const failures = /Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1];
  if (failures !== undefined) throw new Error(`${url}: ${failures} requests failed`);
  const bytesPerSecond = parseSize(/Transfer\/sec:\s*([\d.]+[A-Z]*)/.exec(output)?.[1] ?? "");
  const requestsPerSecond = Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]);
  return {
    value: options.unit === "req/s" ? requestsPerSecond : bytesPerSecond / MIB,
    cpuSeconds: await cpuSeconds(pid) - before,
    bytes: bytesPerSecond * options.seconds,
  };
}

/** MiB per second of one transfer, or of several at once together. */
export async function measureTransfer(
  pid: number,
  url: string,
  bytes: number,
  clients = 1,
): Promise<Sample> {
  const before = await cpuSeconds(pid);
  const start = performance.now();
  const sizes = await Promise.all(
    Array.from(
      { length: clients },
      () => runOk("curl", ["-sS", "--fail", "-o", "/dev/null", "-w", "%{size_download}", url]),
    ),
  );
  const seconds = (performance.now() - start) / 1000;
  const wrong = sizes.find((size) => Number(size) !== bytes);
  if (wrong !== undefined) throw new Error(`${url}: ${wrong} bytes instead of ${bytes}`);
  return {
    value: (bytes * clients) / MIB / seconds,
    cpuSeconds: await cpuSeconds(pid) - before,
    bytes: bytes * clients,
  };
}

/**
 * Resolves when the servers have nothing left to do, as storing what they have answered already, and
 * the machine has memory at hand for twice so many bytes: a virtual one gets it page by page from its
 * host, which would be what is measured.
 */
export async function calm(pids: readonly number[], bytes: number): Promise<void> {
  const total = async () => (await Promise.all(pids.map(cpuSeconds))).reduce((a, b) => a + b, 0);
  for (let before = -1, now = await total(); now - before > 0.01; now = await total()) {
    before = now;
    await sleep(500);
  }
  await using folder = await tempDir("calm");
  const mib = String(Math.ceil((2 * bytes) / MIB));
  await runOk("dd", ["if=/dev/zero", `of=${folder.join("file")}`, "bs=1M", `count=${mib}`]);
}

/** User and system time of a process and its children, which nginx works with. */
async function cpuSeconds(pid: number): Promise<number> {
  const children = (await runOk("sh", ["-c", `pgrep -P ${pid} || true`])).split("\n");
  let ticks = 0;
  for (const id of [String(pid), ...children].filter((text) => text !== "")) {
    const stat = await runOk("cat", [`/proc/${id}/stat`]);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

/** The most that was ever resident, in MiB. */
export async function peakRss(pid: number): Promise<number> {
  const status = await runOk("cat", [`/proc/${pid}/status`]);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function parseSize(text: string): number {
  const [, number = "NaN", unit = ""] = /^([\d.]+)([A-Z]*)$/.exec(text) ?? [];
  return Number(number) * 1024 ** ["B", "KB", "MB", "GB"].indexOf(unit);
}
