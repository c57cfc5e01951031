/** Types of what is used of `cli-progress`, whose own types need those of another runtime. */

/** One bar. */
export interface SingleBar {
  setTotal(total: number): void;
  update(value: number, payload?: Readonly<Record<string, string>>): void;
}

/** Bars below each other, drawn anew together. */
export class MultiBar {
  constructor(options: {
    stream: NodeJS.WritableStream;
    format: string;
    barCompleteChar: string;
    barIncompleteChar: string;
    barsize: number;
    hideCursor: boolean;
    clearOnComplete: boolean;
    linewrap: boolean;
    fps: number;
  });
  create(total: number, value: number, payload: Readonly<Record<string, string>>): SingleBar;
  remove(bar: SingleBar): boolean;
  stop(): void;
}
