import { describe, expect, it } from "vitest";
import { HubClock, sleep, systemRuntime } from "../src/clock.ts";
import { ManualRuntime } from "./support/clock.ts";

describe("HubClock", () => {
  it("takes the server's time at half the round trip, and counts on monotonically (R32)", async () => {
    const runtime = new ManualRuntime();
    await runtime.advance(7_000);
    const clock = new HubClock(runtime);
    const sentMs = runtime.monotonicMs();
    await runtime.advance(300);
    clock.sync(5_000_000, sentMs);
    expect(clock.nowMs()).toBe(5_000_150);
    await runtime.advance(1_000);
    runtime.deviceOffsetMs -= 3_600_000;
    expect(clock.nowMs()).toBe(5_001_150);
    expect(clock.offsetMs()).toBe(5_001_150 - runtime.deviceMs());
  });

  it("is the device's clock before the first answer", async () => {
    const runtime = new ManualRuntime();
    await runtime.advance(7_000);
    expect(new HubClock(runtime).nowMs()).toBe(runtime.deviceMs());
    expect(new HubClock(runtime).jumped()).toBe(false);
  });

  it("keeps a good measurement when a worse one comes", async () => {
    const runtime = new ManualRuntime();
    const clock = new HubClock(runtime);
    clock.sync(1_000_000, runtime.monotonicMs());
    const sentMs = runtime.monotonicMs();
    await runtime.advance(8_000);
    clock.sync(1_008_000, sentMs);
    expect(clock.nowMs()).toBe(1_008_000);
    clock.sync(1_009_000, runtime.monotonicMs() - 2_000);
    expect(clock.nowMs()).toBe(1_010_000);
  });

  it("notices a sleep or a set clock, and takes any measurement after it", async () => {
    const runtime = new ManualRuntime();
    const clock = new HubClock(runtime);
    clock.sync(1_000_000, runtime.monotonicMs());
    runtime.deviceOffsetMs += 1_000;
    expect(clock.jumped()).toBe(false);
    runtime.deviceOffsetMs += 60_000;
    expect(clock.jumped()).toBe(true);
    const sentMs = runtime.monotonicMs();
    await runtime.advance(3_000);
    clock.sync(1_063_000, sentMs);
    expect(clock.nowMs()).toBe(1_064_500);
    expect(clock.jumped()).toBe(false);
  });
});

describe("sleep", () => {
  it("ends in time, or with the signal, and leaves no timer", async () => {
    const runtime = new ManualRuntime();
    const control = new AbortController();
    const slept: string[] = [];
    void sleep(runtime, 100, control.signal).then(() => slept.push("time"));
    void sleep(runtime, 1_000_000, control.signal).then(() => slept.push("signal"));
    await runtime.advance(100);
    expect(slept).toEqual(["time"]);
    control.abort();
    await runtime.advance(0);
    expect(slept).toEqual(["time", "signal"]);
    expect(runtime.pendingMs).toEqual([]);
    await sleep(runtime, 1, control.signal);
  });
});

it("has a system runtime that works", async () => {
  await new Promise<void>((resolve) => systemRuntime.after(1, resolve));
  systemRuntime.after(1, () => expect.unreachable())();
  expect(systemRuntime.monotonicMs()).toBeGreaterThan(0);
  expect(Math.abs(systemRuntime.deviceMs() - Date.now())).toBeLessThan(1_000);
  expect(systemRuntime.random()).toBeLessThan(1);
});
