import {
  formatBytes,
  formatDuration,
  formatSize,
  formatUptime,
  parseDuration,
  parseSize,
} from "../../lib/config/units.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("durations are read with their unit", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["30s", 30],
    ["5m", 300],
    ["12h", 43_200],
    ["1d", 86_400],
    ["1w", 604_800],
    ["1M", 2_592_000],
    ["1y", 31_536_000],
    ["1h30m", 5400],
    ["1d12h", 129_600],
    ["1.5h", 5400],
    [" 5m ", 300],
    ["0s", 0],
  ];
  for (const [text, seconds] of cases) assertEquals(parseDuration(text), seconds, text);
});

Deno.test("a duration without a unit, in the wrong order or with an unknown unit is refused", () => {
  for (
    const text of ["", " ", "30", "s", "5 m", "30m1h", "5m5m", "1x", "-5m", "1h-5m", "1D", "5ms"]
  ) {
    assertEquals(parseDuration(text), undefined, text);
  }
});

Deno.test("sizes are read in powers of 1000 and of 1024", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["1024", 1024],
    ["512B", 512],
    ["1kB", 1000],
    ["500MB", 500_000_000],
    ["1TB", 1e12],
    ["10GiB", 10_737_418_240],
    ["10gib", 10_737_418_240],
    ["1.5 GiB", 1_610_612_736],
  ];
  for (const [text, bytes] of cases) assertEquals(parseSize(text), bytes, text);
});

Deno.test("a size with an unknown or ambiguous unit is refused", () => {
  for (const text of ["", "10 gigs", "10G", "GiB", "-1", "1e3", "10Gi", "9999999PiB"]) {
    assertEquals(parseSize(text), undefined, text);
  }
});

Deno.test("an uptime is printed as Go prints durations", () => {
  assertEquals(
    [0, 0.9, 59, 62, 3600, 93_784].map(formatUptime),
    ["0s", "0s", "59s", "1m2s", "1h0m0s", "26h3m4s"],
  );
});

Deno.test("a printed duration is read back as the same", () => {
  for (
    const seconds of [0, 1, 30, 60, 90, 5400, 86_400, 604_800, 2_592_000, 31_536_000, 100_000, 1.5]
  ) {
    assertEquals(parseDuration(formatDuration(seconds)), seconds, formatDuration(seconds));
  }
  assertEquals([86_400, 5400, 604_800, 2_592_000].map(formatDuration), ["1d", "1h30m", "1w", "1M"]);
});

Deno.test("a printed size is read back as the same", () => {
  for (const bytes of [0, 1, 1000, 1024, 1025, 500_000_000, 10_737_418_240, 1e12]) {
    assertEquals(parseSize(formatSize(bytes)), bytes, formatSize(bytes));
  }
  assertEquals([10_737_418_240, 500_000_000].map(formatSize), ["10GiB", "500MB"]);
});

Deno.test("sizes for people have two decimals above a kilobyte", () => {
  assertEquals(
    [0, 1023, 1024, 1536, 1024 ** 3 * 1.5].map(formatBytes),
    ["0 B", "1023 B", "1.00 KB", "1.50 KB", "1.50 GB"],
  );
});
