/** The handful of symbols beside the seal, in the same stroke weight. All decorative: words say the same. */

import { svg } from "./dom.ts";

const PATHS = {
  tick: "M3 8.5l3.5 3.5L13 4.5",
  cross: "M4 4l8 8M12 4l-8 8",
  dash: "M4 8h8",
  chevron: "M4 6l4 4 4-4",
  alert: "M8 2.2l6.3 11.3H1.7zM8 6.4v3.2M8 11.5v.1",
} as const;

/** A stroke or two in a box of 16. */
export function symbol(name: keyof typeof PATHS): SVGSVGElement {
  return svg(
    "svg",
    { class: "symbol", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] }),
  );
}

/** Half light, half dark. */
export function halfMoon(): SVGSVGElement {
  const disc = svg("circle", { cx: 8, cy: 8, r: 6 });
  const half = svg("path", { class: "half", d: "M8 2a6 6 0 0 1 0 12z" });
  return svg("svg", { class: "symbol", viewBox: "0 0 16 16", "aria-hidden": "true" }, disc, half);
}
