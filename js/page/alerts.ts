/**
 * Alerts of the hub: one line that is always there, so that nothing moves when one comes, and a list behind it.
 *
 * Newest first, at most `MAX_ALERTS`. One out of the history joins the list, but is neither called new nor said aloud.
 */

import type { Push } from "../src/index.ts";
import { type Alert, readAlert, spokenAlert } from "./alert.ts";
import { byId, html, inside, say } from "./dom.ts";
import { clock } from "./format.ts";
import { symbol } from "./symbols.ts";

/** The hub's own channel for alerts (PROTOCOL §8). */
const ALERTS_CHANNEL = "$sys/alerts";

/** Alerts kept. The audit trail has them all. */
const MAX_ALERTS = 20;

/** What the page does with alerts. */
export interface Alerts {
  /** Subscribes to the hub's alerts. */
  follow(push: Push): void;
}

/** Binds `#alerts`. `announce` says a new alert aloud. */
export function makeAlerts(announce: (sentence: string) => void): Alerts {
  const root = byId<HTMLDetailsElement>("alerts");
  const body = byId("alerts-body");
  const list = byId("alerts-list");
  let unseen = 0;

  function showCount(): void {
    const kept = list.childElementCount;
    root.dataset.count = String(kept);
    root.dataset.unseen = String(unseen);
    say(byId("alerts-count"), unseen > 0 ? `${unseen} new` : kept > 0 ? `${kept} kept` : "");
  }

  function add(alert: Alert, isNew: boolean): void {
    if (list.childElementCount === 0) inside(root, ".alerts-mark").replaceChildren(symbol("alert"));
    list.prepend(item(alert));
    if (list.childElementCount > MAX_ALERTS) list.lastElementChild?.remove();
    say(byId("alerts-newest"), alert.title);
    say(byId("alerts-seen"), alert.seen);
    byId("alerts-when").replaceChildren(time(alert));
    if (isNew && !root.open) unseen++;
    showCount();
    if (isNew) announce(spokenAlert(alert));
  }

  root.addEventListener("toggle", () => {
    // Kept as high as it was opened: what comes while it is read scrolls inside, and the page below stays.
    body.style.height = root.open ? `${body.offsetHeight}px` : "";
    unseen = 0;
    showCount();
  });
  // It scrolls, and not every browser lets the keyboard in by itself.
  body.tabIndex = 0;
  inside(root, ".alerts-mark").append(symbol("tick"));
  inside(root, ".alerts-turn").append(symbol("chevron"));

  return {
    follow(push) {
      push.subscribe(ALERTS_CHANNEL, (data, publication) => {
        const alert = readAlert(data);
        if (alert !== null) add(alert, !publication.recovered);
      });
    },
  };
}

function item(alert: Alert): HTMLLIElement {
  const facts = [alert.count, alert.about].filter(Boolean).map((fact) => html("span", {}, fact));
  return html(
    "li",
    { class: "alert" },
    html("p", { class: "alert-when mono" }, time(alert)),
    html(
      "div",
      {},
      html("p", { class: "alert-head" }, html("strong", {}, alert.title), ...facts),
      html("p", {}, alert.seen),
      html("p", { class: "alert-remedy" }, alert.remedy),
    ),
  );
}

function time(alert: Alert): HTMLTimeElement {
  const at = new Date(alert.atMs);
  return html("time", { datetime: at.toISOString(), title: at.toLocaleString() }, clock(alert.atMs));
}
