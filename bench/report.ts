/** What was measured, as a table for people and as JSON for programs. */
import type { BenchCase } from "./cases.ts";
import type { Sample } from "./load.ts";

/** What one subject of a case came to. */
export interface Measured {
  readonly subject: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Of all rounds; null where nothing was transferred. */
  readonly cpuSecondsPerGib: number | null;
}

/** What a case came to. */
export interface CaseReport extends Pick<BenchCase, "name" | "unit" | "goal" | "bound"> {
  readonly measured: readonly Measured[];
  /** The product's median by each peer's, round by round. */
  readonly ratios: readonly { readonly peer: string; readonly ratio: number }[];
  /** Whether the goal was reached; null where there is none. */
  readonly isReached: boolean | null;
}

/** Sums a case up from the samples of its subjects, in rounds that belong together. */
export function reportCase(
  benchCase: BenchCase,
  samples: readonly (readonly Sample[])[],
): CaseReport {
  const { name, unit, goal, bound, subjects } = benchCase;
  const measured = subjects.map((subject, i) => measuredOf(subject.name, samples[i] ?? []));
  const own = samples[0] ?? [];
  const ratios = subjects.slice(1).map((subject, i) => ({
    peer: subject.name,
    ratio: median(own.map(({ value }, round) => value / (samples[i + 1]?.[round]?.value ?? NaN))),
  }));
  const [first] = ratios;
  const isReached = goal === null || first === undefined ? null : first.ratio >= goal;
  return { name, unit, goal, bound, measured, ratios, isReached };
}

function measuredOf(subject: string, samples: readonly Sample[]): Measured {
  const values = samples.map(({ value }) => value);
  const gib = samples.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 30;
  const cpu = samples.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  return {
    subject,
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    cpuSecondsPerGib: gib < 0.1 ? null : cpu / gib,
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] = sorted.length % 2 === 1
    ? [sorted[middle], sorted[middle]]
    : [sorted[middle - 1], sorted[middle]];
  return (low + high) / 2;
}

/** The lines of a case, with a final line feed. */
export function formatReport(report: CaseReport): string {
  const verdict = report.isReached === null
    ? ""
    : report.isReached
    ? `  (goal ${report.goal}: reached)`
    : `  (goal ${report.goal}: MISSED)`;
  const lines = report.measured.map(({ subject, median, least, most, cpuSecondsPerGib }) => {
    const ratio = report.ratios.find(({ peer }) => peer === subject)?.ratio;
    const cells = [
      subject.padEnd(18),
      `${round(median)} ${report.unit}`.padStart(16),
      `[${round(least)}–${round(most)}]`.padStart(18),
      (cpuSecondsPerGib === null ? "" : `${cpuSecondsPerGib.toFixed(2)} CPU s/GiB`).padStart(16),
      ratio === undefined ? "" : `× ${ratio.toFixed(2)}`,
    ];
    return `  ${cells.join(" ").trimEnd()}`;
  });
  return `${report.name}${verdict}\n${lines.join("\n")}\n  bound by: ${report.bound}\n\n`;
}

function round(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(1);
}
