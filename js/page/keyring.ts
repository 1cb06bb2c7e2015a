/** The key as a ring: it drains over the key's life, a notch marks where the next key is due, rotation refills it. */

import type { KeyInfo } from "../src/index.ts";
import { byId, inside, say, svg } from "./dom.ts";
import { count, left, shortKid, spokenLeft } from "./format.ts";

/** The client asks for the next key at this share of the life (PROTOCOL §2). */
const ROTATES_AT = 0.8;

/** What the page does with the ring. */
export interface KeyRing {
  /** A key came into use; `rotations` counts the keys after the first. */
  show(key: KeyInfo, rotations: number): void;
  /** Once a second, with the device clock. */
  tick(nowMs: number): void;
  /** The hub ended the session and every key of it, or gave none. */
  end(): void;
}

/** Fills `#key-ring[data-kid][data-rotations]`. */
export function makeKeyRing(): KeyRing {
  const root = byId("key-ring");
  const life = ring("life");
  const meter = inside(root, ".ring");
  meter.append(drawing(life));
  let current: KeyInfo | null = null;
  let turns = 0;

  function tick(nowMs: number): void {
    if (current === null) return;
    const leftMs = Math.max(0, current.expiresAtMs - nowMs);
    const share = Math.min(1, leftMs / (current.expiresAtMs - current.issuedAtMs));
    life.setAttribute("stroke-dashoffset", String(100 - share * 100));
    root.dataset.spent = String(leftMs === 0);
    say(
      inside(root, ".key-left"),
      `${left(leftMs)} left, ${turns === 0 ? "not rotated yet" : `rotated ${times(turns)}`}`,
    );
    meter.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    meter.setAttribute("aria-valuetext", `${spokenLeft(leftMs)} left`);
  }

  return {
    show(key, rotations) {
      const fresh = root.dataset.kid !== key.kid;
      current = key;
      turns = rotations;
      root.dataset.kid = key.kid;
      root.dataset.rotations = String(rotations);
      say(inside(root, ".key-kid"), shortKid(key.kid));
      root.title = key.kid;
      if (fresh) startAgain(root);
      for (const [name, value] of Object.entries(METER)) meter.setAttribute(name, value);
      tick(Date.now());
    },
    tick,
    end() {
      current = null;
      root.dataset.spent = "true";
      life.setAttribute("stroke-dashoffset", "100");
      const had = root.dataset.kid !== "";
      if (!had) say(inside(root, ".key-kid"), "no key");
      say(inside(root, ".key-left"), had ? "ended with the session" : "none was given");
      meter.setAttribute("aria-valuenow", "0");
      meter.setAttribute("aria-valuetext", "ended");
    },
  };
}

const METER = {
  role: "meter",
  "aria-label": "Life of the key",
  "aria-valuemin": "0",
  "aria-valuemax": "100",
};

function times(n: number): string {
  return n === 1 ? "once" : count(n, "time");
}

/** Restarts the one short motion that shows a new key. */
function startAgain(root: HTMLElement): void {
  root.classList.remove("refilled");
  void root.offsetWidth;
  root.classList.add("refilled");
}

function ring(name: string): SVGCircleElement {
  return svg("circle", {
    class: name,
    cx: 22,
    cy: 22,
    r: 19,
    pathLength: 100,
    "stroke-dasharray": 100,
    "stroke-dashoffset": 100,
  });
}

function drawing(life: SVGCircleElement): SVGSVGElement {
  // The life runs out clockwise, so what is left of it ends this far before the top.
  const angle = -Math.PI / 2 - 2 * Math.PI * (1 - ROTATES_AT);
  const spoke = (radius: number) => `${22 + radius * Math.cos(angle)} ${22 + radius * Math.sin(angle)}`;
  return svg(
    "svg",
    { viewBox: "0 0 44 44", "aria-hidden": "true" },
    svg("circle", { class: "track", cx: 22, cy: 22, r: 19 }),
    life,
    svg("path", { class: "due", d: `M${spoke(15)}L${spoke(19)}` }),
    svg("circle", { class: "bow", cx: 18.5, cy: 18.5, r: 4 }),
    svg("path", { class: "bow", d: "M21.5 21.5L28 28M25 25l2.5-2.5" }),
  );
}
