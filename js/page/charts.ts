/** Host telemetry and activity, from Publications only: what was refused never reaches them. */

import type { Publication, Push } from "../src/index.ts";
import { makeChart } from "./chart.ts";
import { byId, say } from "./dom.ts";
import { count } from "./format.ts";

/** The hub's own channels (PROTOCOL §4). */
export const SYSTEM_CHANNELS = ["$sys/telemetry", "$sys/activity", "$sys/alerts"] as const;

/** What the page does with the charts: draws them again when colours changed or time passed. */
export interface Charts {
  redraw(): void;
  /** Subscribes to telemetry and activity. */
  follow(push: Push): void;
}

/** Fills `#charts` and `#activity`. */
export function makeCharts(): Charts {
  const cpu = makeChart(byId("charts"), "CPU");
  const memory = makeChart(byId("charts"), "Memory");
  const activity = byId("activity");
  return {
    redraw() {
      cpu.redraw();
      memory.redraw();
    },
    follow(push) {
      push.subscribe("$sys/telemetry", (data, publication) => {
        plot(cpu.add, data, "cpu", publication);
        plot(memory.add, data, "memory", publication);
      });
      push.subscribe("$sys/activity", (data) => say(activity, sentence(data)));
    },
  };
}

function plot(
  add: (atMs: number, percent: number) => void,
  data: unknown,
  name: string,
  from: Publication,
): void {
  const percent = numberIn(data, name);
  // When a reading out of history was taken is not known, only when it was sent again: the line keeps its break.
  if (percent !== null && !from.recovered) add(from.ts, percent);
}

function sentence(data: unknown): string {
  const parts = ["connection", "session", "channel"].flatMap((noun) => {
    const n = numberIn(data, `${noun}s`);
    return n === null ? [] : [count(n, noun)];
  });
  return parts.length === 0 ? "No reading yet." : parts.join(", ");
}

/** Data is whatever was published: a member that is not a number is left out rather than drawn. */
function numberIn(data: unknown, name: string): number | null {
  const value = typeof data === "object" && data !== null ? (data as Record<string, unknown>)[name] : null;
  return typeof value === "number" ? value : null;
}
