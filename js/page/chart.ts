/** One quiet line over the last minutes. uPlot draws it on a canvas; the caption says the same in words. */

import uPlot from "uplot";
import { html, say } from "./dom.ts";

/** Seconds shown. */
const WINDOW_S = 180;

/** A longer silence than this, in seconds, breaks the line instead of bridging it. */
const BREAK_S = 7;

const HEIGHT_PX = 72;

/** A line of percentages over time. */
export interface Chart {
  /** `atMs`: Unix ms, never earlier than the one before; `percent`: 0 to 100. */
  add(atMs: number, percent: number): void;
  /** Draws again: new colours, another width, or time passed. */
  redraw(): void;
}

/** Appends a figure with caption and plot to `parent`. */
export function makeChart(parent: HTMLElement, title: string): Chart {
  const value = html("span", { class: "chart-value" }, "–");
  const range = html("span", { class: "chart-range quiet" }, "no reading yet");
  const box = html("div", { class: "chart-box", "aria-hidden": "true" });
  const caption = html("figcaption", {}, html("span", { class: "chart-title" }, title), value, range);
  parent.append(html("figure", { class: "chart" }, caption, box));

  const times: number[] = [];
  const values: (number | null)[] = [];
  const plot = new uPlot(options(box), [times, values], box);
  new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT_PX })).observe(box);

  function redraw(): void {
    const nowS = Date.now() / 1000;
    while ((times[0] ?? nowS) < nowS - WINDOW_S - BREAK_S) {
      times.shift();
      values.shift();
    }
    plot.setData([times, values], false);
    plot.setScale("x", { min: nowS - WINDOW_S, max: nowS });
  }

  return {
    add(atMs, percent) {
      const atS = atMs / 1000;
      const lastS = times[times.length - 1];
      if (lastS !== undefined && atS - lastS > BREAK_S) push(atS - 0.001, null);
      push(atS, percent);
      say(value, `${percent} %`);
      say(range, rangeOf(values));
      redraw();
    },
    redraw,
  };

  function push(atS: number, percent: number | null): void {
    times.push(atS);
    values.push(percent);
  }
}

function rangeOf(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  return `${Math.min(...known)} to ${Math.max(...known)} in ${WINDOW_S / 60} min`;
}

function options(box: HTMLElement): uPlot.Options {
  const colour = (name: "color" | "caretColor" | "borderTopColor") => () => getComputedStyle(box)[name];
  const hairline = { stroke: colour("borderTopColor"), width: 1 };
  const axis = {
    stroke: colour("color"),
    font: "11px system-ui, sans-serif",
    ticks: { show: false },
    gap: 4,
  };
  return {
    width: Math.max(box.clientWidth, 120),
    height: HEIGHT_PX,
    padding: [6, 2, 6, 0],
    cursor: { show: false },
    legend: { show: false },
    scales: { x: { time: true, auto: false }, y: { range: [0, 100] } },
    axes: [
      { show: false },
      { ...axis, grid: hairline, size: 32, splits: [0, 50, 100], values: () => ["0", "", "100"] },
    ],
    series: [{}, { stroke: colour("caretColor"), width: 1.5, points: { show: false } }],
  };
}
