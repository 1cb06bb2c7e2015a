/** The box to publish: signs a frame in this page, sends it up, and says what became of it. */

import type { Push } from "../src/index.ts";
import { byId, say } from "./dom.ts";
import { utf8Length } from "./format.ts";

/**
 * What a signed `msg` frame takes around its channel and data at most, UTF-8 bytes: the names and marks, kid 52,
 * nonce 44, sig 44, ts 13, conn 16, epoch 8, and ten digits each for offset and seq. The hub judges by the same sum.
 */
const AROUND_BYTES = 310;

/**
 * Binds `#publish-form`. `push` gives the connection, or null while there is none.
 *
 * Returns what to call when the hub's limits are known: what is typed is measured against them, not against a guess.
 */
export function bindPublish(push: () => Push | null): () => void {
  const form = byId<HTMLFormElement>("publish-form");
  const channel = byId<HTMLInputElement>("publish-channel");
  const data = byId<HTMLTextAreaElement>("publish-data");
  const note = byId("publish-note");

  const tell = (text: string, bad = false) => {
    note.classList.toggle("bad", bad);
    say(note, text);
  };

  async function send(): Promise<void> {
    const connection = push();
    if (connection === null) return tell("Not sent: there is no key to sign with yet.", true);
    const startedMs = performance.now();
    try {
      const [, offset] = await connection.publish(channel.value.trim(), parse(data.value));
      tell(`Published: offset ${offset}, in ${Math.round(performance.now() - startedMs)} ms.`);
    } catch (error) {
      tell(`Not published: ${words(error)}`, true);
    }
  }

  const measure = () => showSize(channel.value, data.value, push()?.limits?.frame ?? null);
  form.addEventListener("input", measure);
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    void send();
  });
  data.addEventListener("keydown", (press) => {
    if (press.key === "Enter" && (press.ctrlKey || press.metaKey)) form.requestSubmit();
  });
  measure();
  return measure;
}

function showSize(channel: string, data: string, limit: number | null): void {
  const size = AROUND_BYTES + utf8Length(channel) + utf8Length(JSON.stringify(parse(data)));
  const line = byId("publish-size");
  const over = limit !== null && size > limit;
  line.classList.toggle("bad", over);
  const room = limit === null ? "" : ` of ${limit}`;
  say(line, over ? `over ${limit} bytes: will be refused` : `at most ${size}${room} bytes`);
}

/** JSON where it is JSON, otherwise the text itself. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function words(error: unknown): string {
  if (!(error instanceof Error)) return "for a reason unknown.";
  const remedy = "remedy" in error && typeof error.remedy === "string" ? ` ${error.remedy}` : "";
  return `${error.message.replace(/\.$/, "")}.${remedy}`;
}
