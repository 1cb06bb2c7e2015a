/** The visible switch over `tamper.ts`: `#tamper`, with what each choice does in words. */

import { byId, html, say } from "./dom.ts";
import type { Tamper, Tampering } from "./tamper.ts";

const CHOICES: Readonly<Record<Tampering, readonly [label: string, words: string]>> = {
  off: ["Off", "Frames pass untouched."],
  flip: ["Flip a bit", "One frame in three has one bit changed: its signature no longer matches."],
  replay: ["Replay", "One frame in three is handed on twice: the second time its nonce is known."],
  delay: ["Delay", "The line stalls for 6.5 s: what is older than 5 s is refused."],
  reorder: ["Reorder", "One frame in three is held back until others have passed: it comes out of order."],
  drop: ["Drop", "One frame in three is swallowed: the next one shows the hole, and the client asks again."],
};

/** Binds `#tamper`. */
export function bindTamperSwitch(tamper: Tamper): void {
  const select = byId<HTMLSelectElement>("tamper");
  const path = byId("path");
  for (const [value, [label]] of Object.entries(CHOICES)) select.append(html("option", { value }, label));
  const apply = () => {
    tamper.mode = select.value as Tampering;
    path.dataset.tamper = tamper.mode;
    say(byId("tamper-note"), CHOICES[tamper.mode][1]);
  };
  select.addEventListener("change", apply);
  select.value = "off";
  apply();
}
