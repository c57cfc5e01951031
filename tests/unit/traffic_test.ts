import { openSqliteIndex } from "../../lib/cache/sqlite_index.ts";
import { hubQuotaLeft } from "../../lib/web/admin/hub_quota.ts";
import { createTrafficView } from "../../lib/web/admin/traffic_view.ts";
import type { Quota } from "../../lib/upstream/quota.ts";
import { assertEquals } from "../support/assert.ts";

const MINUTE = 60_000;
const NOON = Date.UTC(2030, 0, 1, 12);

Deno.test("what happened in a period is summed by its steps, and older things are left out", () => {
  let now = NOON;
  using index = openSqliteIndex(":memory:", () => now);
  const { traffic } = index;
  traffic.add({ requests: 1, servedBytes: 10 });
  now += 90 * MINUTE;
  traffic.add({ requests: 2, hits: 1, servedBytes: 5, durationMs: 8 });
  traffic.add({ fetchedBytes: 7 });
  now += 5 * MINUTE;
  traffic.add({ requests: 3, errors: 1 });
  const view = createTrafficView(traffic, () => now);
  const busy = (period: "hour" | "day" | "week") =>
    view.read(period).points.filter(({ requests }) => requests > 0).map(({ requests }) => requests);
  assertEquals([busy("hour"), busy("day"), busy("week")], [[2, 3], [1, 5], [6]]);
  assertEquals(view.read("hour").sum, {
    requests: 5,
    hits: 1,
    errors: 1,
    servedBytes: 5,
    fetchedBytes: 7,
    durationMs: 8,
  });
});

Deno.test("traffic of more than eight days ago is forgotten", () => {
  let now = NOON;
  using index = openSqliteIndex(":memory:", () => now);
  index.traffic.add({ requests: 1 });
  now += 9 * 24 * 60 * MINUTE;
  index.traffic.add({ requests: 1 });
  assertEquals(index.traffic.since(0, 60).length, 1);
});

Deno.test("the least of Docker Hub's quota is kept for each step", () => {
  using index = openSqliteIndex(":memory:", () => NOON);
  const { traffic } = index;
  for (const left of [80, 40, 60]) {
    traffic.noteQuota(left);
    traffic.flush();
  }
  traffic.add({ requests: 1 });
  assertEquals(traffic.since(0, 60).map(({ quotaLeft }) => quotaLeft), [40]);
});

Deno.test("what callers have left at Docker Hub is not the proxy's own quota", () => {
  const quota = (upstream: string, holder: string, remaining: number): Quota => ({
    upstream,
    holder,
    remaining,
    limit: 100,
    windowSeconds: 21_600,
    source: null,
    seenAt: 0,
    blockedUntil: null,
  });
  assertEquals(
    hubQuotaLeft([quota("docker.io", "caller:abc", 1), quota("quay.io", "anonymous", 2)]),
    null,
  );
  assertEquals(
    hubQuotaLeft([quota("docker.io", "anonymous", 50), quota("docker.io", "account:a", 70)]),
    50,
  );
});
