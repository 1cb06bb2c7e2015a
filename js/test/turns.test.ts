import { expect, it } from "vitest";
import { systemRuntime } from "../src/clock.ts";
import { Turns } from "../src/turns.ts";
import { ManualRuntime } from "./support/clock.ts";

it("gives the page its turn after 8 ms of work, and counts from then on anew", async () => {
  const runtime = new ManualRuntime();
  const turns = new Turns(runtime);
  let nowMs = 0;
  runtime.monotonicMs = () => nowMs;
  expect(turns.isDue()).toBe(false);
  nowMs = 7.9;
  expect(turns.isDue()).toBe(false);
  nowMs = 8;
  expect(turns.isDue()).toBe(true);
  await turns.pass();
  expect(turns.isDue()).toBe(false);
});

it("counts no time in which the page has had its turn anyway", async () => {
  const runtime = new ManualRuntime();
  const turns = new Turns(runtime);
  let nowMs = 0;
  runtime.monotonicMs = () => nowMs;
  turns.isDue();
  await new Promise((resolve) => setTimeout(resolve, 20));
  nowMs = 1_000;
  expect(turns.isDue()).toBe(false);
});

it("lets go first what waited when the work began", async () => {
  const turns = new Turns(systemRuntime);
  const order: string[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    order.push("page");
    port1.close();
  };
  port2.postMessage(null);
  turns.isDue();
  await turns.pass();
  order.push("work");
  expect(order).toEqual(["page", "work"]);
});
