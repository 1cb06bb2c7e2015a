/** Light, dark, or as the system says. Not remembered: this page leaves nothing in the browser. */

import { byId, html, say } from "./dom.ts";
import { halfMoon } from "./symbols.ts";

const THEMES = ["auto", "light", "dark"] as const;

/** Binds `#theme`. `changed` is called when colours may have changed, by the button or by the system. */
export function bindTheme(changed: () => void): void {
  const button = byId<HTMLButtonElement>("theme");
  const label = html("span");
  button.append(halfMoon(), label);
  let at = 0;
  const apply = () => {
    const theme = THEMES[at] ?? "auto";
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    say(label, theme);
    button.setAttribute("aria-label", `Colours: ${theme}. Press for the next`);
    changed();
  };
  button.addEventListener("click", () => {
    at = (at + 1) % THEMES.length;
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  apply();
}
