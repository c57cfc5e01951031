/**
 * Measures the product beside its peers in one run, round by round in turn, so that the noise of a
 * machine falls on all of them: `deno task bench [--quick] [--case TEXT] [--rounds N] [--json FILE]`.
 */
import { parseArgs } from "node:util";
import { casesOf } from "./cases.ts";
import { peakRss, type Sample } from "./load.ts";
import { type CaseReport, formatReport, reportCase } from "./report.ts";
import { startBenchStage } from "./stage.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    quick: { type: "boolean" },
    case: { type: "string", multiple: true },
    rounds: { type: "string" },
    json: { type: "string" },
  },
});
const isQuick = values.quick === true;
const rounds = Number(values.rounds ?? (isQuick ? 3 : 5));
const encoder = new TextEncoder();

function say(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text));
}

await using stage = await startBenchStage({
  largeMib: isQuick ? 256 : 1024,
  coldMib: isQuick ? 128 : 256,
  coldBlobs: 2 * rounds,
});
const reports: CaseReport[] = [];
for (const benchCase of casesOf(stage, isQuick ? 2 : 4)) {
  const isWanted = values.case?.some((text) => benchCase.name.includes(text)) ?? true;
  if (!isWanted) continue;
  for (const subject of benchCase.subjects) await subject.warm?.();
  const samples: Sample[][] = benchCase.subjects.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, subject] of benchCase.subjects.entries()) {
      await subject.prepare?.();
      samples[i]?.push(await subject.measure(round));
    }
  }
  const report = reportCase(benchCase, samples);
  reports.push(report);
  say(formatReport(report));
}
const rss = await peakRss(stage.product.pid);
say(`most ever resident of the product: ${Math.round(rss)} MiB\n`);
if (values.json !== undefined) {
  const result = { rounds, isQuick, peakRssMib: Math.round(rss), cases: reports };
  await Deno.writeTextFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
}
