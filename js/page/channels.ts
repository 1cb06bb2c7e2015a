/** The channels watched: chips on the hub's node, a form to add one, a button on each to let it go. */

import type { Push } from "../src/index.ts";
import { SYSTEM_CHANNELS } from "./charts.ts";
import { byId, hidden, html, say } from "./dom.ts";
import { symbol } from "./symbols.ts";

/** Watched from the start. */
export const FIRST_CHANNELS = ["demo", "logs"] as const;

/** PROTOCOL §4; `$` is for the hub's own. */
const CHANNEL_NAME = /^[A-Za-z0-9_\-./]{1,128}$/;

/** What the page does with the channels. */
export interface Channels {
  /** Subscribes to every channel listed so far, and from now on as they are added. */
  follow(push: Push): void;
}

/** Binds `#channels` and `#channel-form`. */
export function makeChannels(): Channels {
  const list = byId("channels");
  const name = byId<HTMLInputElement>("channel-name");
  const stops = new Map<string, () => void>();
  let push: Push | null = null;

  /** The verifier's observer shows the frames; the handler is there so that the channel is subscribed. */
  const watch = (channel: string) => stops.set(channel, push?.subscribe(channel, () => {}) ?? (() => {}));

  function add(channel: string): void {
    watch(channel);
    const chip = html("li", { class: "chip mono" }, channel);
    const remove = html(
      "button",
      { type: "button", class: "chip-remove" },
      symbol("cross"),
      hidden(`Stop watching ${channel}`),
    );
    remove.addEventListener("click", () => {
      stops.get(channel)?.();
      stops.delete(channel);
      chip.remove();
      name.focus();
      suggest([...stops.keys()]);
      tell(`${channel} is not watched any more.`, false);
    });
    chip.append(remove);
    list.append(chip);
    suggest([...stops.keys()]);
  }

  byId<HTMLFormElement>("channel-form").addEventListener("submit", (submit) => {
    submit.preventDefault();
    const channel = name.value.trim();
    const fault = faultOf(channel, stops);
    tell(fault ?? `Watching ${channel}.`, fault !== null);
    if (fault !== null) return;
    name.value = "";
    add(channel);
  });

  for (const channel of SYSTEM_CHANNELS) list.append(html("li", { class: "chip mono fixed" }, channel));
  for (const channel of FIRST_CHANNELS) add(channel);

  return {
    follow(connection) {
      push = connection;
      for (const channel of stops.keys()) watch(channel);
    },
  };
}

/** A fault is for the eye too; what went well shows in the chips, and is said to screen readers only. */
function tell(sentence: string, isFault: boolean): void {
  const note = byId("channel-note");
  note.className = isFault ? "field-note bad" : "hidden";
  say(note, sentence);
}

function faultOf(channel: string, watched: ReadonlyMap<string, unknown>): string | null {
  if (watched.has(channel)) return `${channel} is watched already.`;
  return CHANNEL_NAME.test(channel) ? null : "A channel is 1 to 128 of A-Z a-z 0-9 _ - . and /.";
}

function suggest(channels: readonly string[]): void {
  byId("channel-list").replaceChildren(...channels.map((value) => html("option", { value })));
}
