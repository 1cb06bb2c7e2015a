/**
 * The seal, the page's one symbol. Whole: the frame verified. Broken in two: refused. Dashed: nothing to judge yet.
 * Drawn in one stroke weight from the colour of the text around it; never the only sign, words stand beside it.
 */

import { svg } from "./dom.ts";

/** What a seal can show. */
export type SealKind = "verified" | "refused" | "open";

type Point = readonly [x: number, y: number];

/** The crack from top to bottom, in units of the radius around the centre. Both halves share it, so that they fit. */
const CRACK: readonly Point[] = [
  [0.13, -0.99],
  [-0.19, -0.28],
  [0.21, 0.1],
  [-0.06, 0.99],
];

const SMALL = { centre: 12, radius: 9.4, lobes: 12, depth: 0.75 };
const LARGE = { centre: 48, radius: 44, lobes: 32, depth: 1.1 };

/** The small seal, one for each row, marker and legend; decorative, so hidden from screen readers. */
export function seal(kind: SealKind): SVGSVGElement {
  const drawing = svg("svg", { class: `seal ${kind}`, viewBox: "0 0 24 24", "aria-hidden": "true" });
  if (kind === "refused")
    drawing.append(svg("path", { class: "left", d: LEFT }), svg("path", { class: "right", d: RIGHT }));
  if (kind === "verified") drawing.append(svg("path", { d: RIM }), svg("circle", { cx: 12, cy: 12, r: 3.4 }));
  if (kind === "open") drawing.append(svg("circle", { class: "rim", cx: 12, cy: 12, r: 9 }));
  return drawing;
}

/**
 * The large seal of one frame: 32 rays, as long as the 32 bytes of its signature are large. Two frames never look
 * the same, as no two signatures are. `sig` null (no signature could be read) leaves the rays out.
 */
export function grandSeal(kind: SealKind, sig: string | null): SVGSVGElement {
  const drawing = svg("svg", { class: `seal grand ${kind}`, viewBox: "0 0 96 96", "aria-hidden": "true" });
  if (kind === "refused") drawing.append(fragment("left", sig), fragment("right", sig));
  if (kind === "verified") drawing.append(svg("path", { d: LARGE_RIM }), ...face(sig));
  if (kind === "open") drawing.append(svg("circle", { class: "rim", cx: 48, cy: 48, r: 43 }), ...face(null));
  return drawing;
}

/** One half of the large seal: the rim is cut to shape, what lies inside is clipped by that shape. */
function fragment(side: "left" | "right", sig: string | null): SVGGElement {
  const outline = side === "left" ? LARGE_LEFT : LARGE_RIGHT;
  const id = `half-${++halves}`;
  const cut = svg("clipPath", { id }, svg("path", { d: outline }));
  return svg(
    "g",
    { class: side },
    svg("path", { d: outline }),
    cut,
    svg("g", { "clip-path": `url(#${id})` }, ...face(sig)),
  );
}

/** Numbers the clip paths, whose ids must differ within the document. */
let halves = 0;

function face(sig: string | null): SVGElement[] {
  return [svg("circle", { cx: 48, cy: 48, r: 10 }), svg("path", { d: rays(sig) })];
}

function rays(sig: string | null): string {
  const lengths = [...signatureBytes(sig)].map((byte) => 2 + (byte / 255) * 22);
  return lengths
    .map((length, index) => {
      const angle = (index / lengths.length) * 2 * Math.PI - Math.PI / 2;
      return `M${polar(48, 15, angle)}L${polar(48, 15 + length, angle)}`;
    })
    .join("");
}

function signatureBytes(sig: string | null): Uint8Array {
  if (sig === null || !/^[A-Za-z0-9+/]{43}=$/.test(sig)) return new Uint8Array(0);
  return Uint8Array.from(atob(sig), (character) => character.charCodeAt(0));
}

/** The scalloped rim from one angle to another, as the points of a path. */
function scallops(of: typeof SMALL, from: number, to: number): string {
  const steps = Math.ceil((of.lobes * 10 * Math.abs(to - from)) / (2 * Math.PI));
  const points = Array.from({ length: steps + 1 }, (_, step) => {
    const angle = from + ((to - from) * step) / steps;
    return polar(of.centre, of.radius - of.depth * (1 - Math.abs(Math.sin((of.lobes * angle) / 2))), angle);
  });
  return points.join("L");
}

function half(of: typeof SMALL, side: "left" | "right"): string {
  const angles = [CRACK[0], CRACK.at(-1)].map((end) => Math.atan2(end?.[1] ?? 0, end?.[0] ?? 0));
  const [top = 0, bottom = 0] = angles;
  const rim = scallops(of, top, side === "right" ? bottom : bottom - 2 * Math.PI);
  const inner = CRACK.slice(1, -1).map(
    ([x, y]) => `${of.centre + x * of.radius} ${of.centre + y * of.radius}`,
  );
  return `M${rim}L${inner.reverse().join("L")}Z`;
}

function polar(centre: number, radius: number, angle: number): string {
  return `${(centre + radius * Math.cos(angle)).toFixed(2)} ${(centre + radius * Math.sin(angle)).toFixed(2)}`;
}

const RIM = `M${scallops(SMALL, 0, 2 * Math.PI)}Z`;
const LEFT = half(SMALL, "left");
const RIGHT = half(SMALL, "right");
const LARGE_RIM = `M${scallops(LARGE, 0, 2 * Math.PI)}Z`;
const LARGE_LEFT = half(LARGE, "left");
const LARGE_RIGHT = half(LARGE, "right");
