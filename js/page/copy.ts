/** The copy buttons beside the code. */

import { byId, say } from "./dom.ts";

/** How long a button says what it did, ms. */
const TOLD_MS = 1_500;

/** Binds every `[data-copy]` to the text of the element it names. */
export function bindCopyButtons(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
    const source = byId(button.dataset.copy ?? "");
    button.addEventListener("click", async () => {
      say(button, await copy(source));
      setTimeout(() => say(button, "Copy"), TOLD_MS);
    });
  }
}

async function copy(source: HTMLElement): Promise<string> {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    return "Copied";
  } catch {
    // No clipboard here, or not allowed: select the text instead, so that the keyboard can copy it.
    getSelection()?.selectAllChildren(source);
    return "Selected";
  }
}
