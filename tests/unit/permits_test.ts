import { type Load, type Permit, Permits } from "../../lib/upstream/permits.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";

const never = new AbortController().signal;

/** Asks for permits and notes in which order they are given. */
class Queue {
  readonly permits: Permits;
  readonly given: string[] = [];
  readonly #held = new Map<string, Permit>();

  constructor(max: number) {
    this.permits = new Permits(max);
  }

  async ask(name: string, load: Load, signal = never): Promise<void> {
    this.#held.set(name, await this.permits.acquire(load, signal));
    this.given.push(name);
  }

  async give(name: string): Promise<void> {
    this.#held.get(name)?.[Symbol.dispose]();
    await flush();
  }
}

function flush(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("transfers leave permits to small questions", async () => {
  const queue = new Queue(8);
  for (let i = 0; i < 10; i++) queue.ask(`transfer ${i}`, "transfer");
  await flush();
  assertEquals([queue.permits.active, queue.permits.waiting], [6, 4]);
  for (let i = 0; i < 3; i++) queue.ask(`small ${i}`, "small");
  await flush();
  assertEquals(queue.given.slice(6), ["small 0", "small 1"]);
  assertEquals([queue.permits.active, queue.permits.waiting], [8, 5]);
  await queue.give("small 0");
  assertEquals(queue.given.slice(8), ["small 2"]);
});

Deno.test("of one kind, who asked first is served first, and transfers are not starved", async () => {
  const queue = new Queue(4);
  for (const name of ["a", "b", "c", "d"]) queue.ask(name, "small");
  queue.ask("transfer", "transfer");
  for (const name of ["e", "f"]) queue.ask(name, "small");
  await flush();
  assertEquals(queue.given, ["a", "b", "c", "d"]);
  await queue.give("b");
  await queue.give("a");
  await queue.give("c");
  assertEquals(queue.given, ["a", "b", "c", "d", "transfer", "e", "f"]);
});

Deno.test("who leaves the queue takes no permit, and one that has ended never enters it", async () => {
  const queue = new Queue(2);
  queue.ask("first", "transfer");
  const leaving = new AbortController();
  const left = assertRejects(() => queue.ask("left", "transfer", leaving.signal), Error, "gone");
  queue.ask("next", "transfer");
  leaving.abort(new Error("gone"));
  await left;
  await assertRejects(() => queue.ask("late", "small", leaving.signal), Error, "gone");
  assertEquals(queue.permits.waiting, 1);
  await queue.give("first");
  assertEquals(queue.given, ["first", "next"]);
});

Deno.test("a permit that is given back twice is one", async () => {
  const queue = new Queue(2);
  await queue.ask("a", "small");
  await queue.ask("b", "small");
  await queue.give("a");
  await queue.give("a");
  assertEquals(queue.permits.active, 1);
});
