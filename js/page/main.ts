/**
 * The live page of the development hub. It only joins parts: each has its own file, named by what it shows.
 *
 * For tests, these hold in every state:
 * - `#stream-state[data-state]`: connecting | live | reconnecting | refused | closed
 * - `#key-ring[data-kid][data-rotations]`: the key in use ("" before the first), keys used after the first
 * - `#river li[data-verdict="verified|refused"][data-reason][data-channel]`: one row for each frame that reached the
 *   verifier, newest first; reason "" when verified, channel "" where the frame has none; its text holds the data
 * - `#count-verified`, `#count-refused`, `#count-rotations`, `#count-gaps`: plain integers
 * - `#tamper`: off | flip | replay | delay | reorder | drop
 * - `#publish-form` with `#publish-channel`, `#publish-data`, a submit button, and the outcome in `#publish-note`
 * - `#channel-form` with `#channel-name`; `#channels li` are the channels watched
 * - `#alerts[data-count][data-unseen]`: alerts kept, and those not looked at; `#alerts-list li`: newest first
 * - `#envelope[open][data-verdict]`: the frame opened; `#envelope-steps li[data-outcome]`: passed | failed | not-reached
 * - `#notice`: shown when there can be no frames; `body.halted` when that is final
 */

import { connect, type KeyInfo, type Push, type Status } from "../src/index.ts";
import { makeAlerts } from "./alerts.ts";
import { makeAnnouncer } from "./announcer.ts";
import { FIRST_CHANNELS, makeChannels } from "./channels.ts";
import { makeCharts, SYSTEM_CHANNELS } from "./charts.ts";
import { bindCopyButtons } from "./copy.ts";
import { showCounters } from "./counters.ts";
import { byId, inside, say } from "./dom.ts";
import { makeEnvelope } from "./envelope.ts";
import { shortKid } from "./format.ts";
import { makeKeyRing } from "./keyring.ts";
import { makeNoticeBoard } from "./notice.ts";
import { bindPublish } from "./publish.ts";
import { makeRiver, type River } from "./river.ts";
import { grandSeal, seal } from "./seal.ts";
import { makeStreamState } from "./stream-state.ts";
import { makeTamper } from "./tamper.ts";
import { bindTamperSwitch } from "./tamper-switch.ts";
import { bindTheme } from "./theme.ts";

const BASE = "/api/jitterbug";

const tamper = makeTamper();
const envelope = makeEnvelope(tamper, () => river);
const river: River = makeRiver(envelope.open, tamper.noteFor);
const charts = makeCharts();
const channels = makeChannels();
const keyRing = makeKeyRing();
const streamState = makeStreamState();
const announcer = makeAnnouncer();
const alerts = makeAlerts(announcer.alert);
const noticeBoard = makeNoticeBoard(announcer.state);
let push: Push | null = null;

/** Seals that stand still: brand, legend, empty river. */
function decorate(): void {
  byId("brand-seal").append(seal("verified"));
  byId("legend-verified").append(seal("verified"));
  byId("legend-refused").append(seal("refused"));
  byId("newest-seal").append(grandSeal("open", null));
  inside(document, ".empty-seal").append(grandSeal("open", null));
}

function showStatus(status: Status): void {
  const before = byId("stream-state").dataset.state;
  if (before === "reconnecting" && status.state === "live") river.note("Stream resumed", "resumed");
  streamState.show(status);
  if (before !== status.state) announcer.state(`The stream is ${status.state}.`);
  noticeBoard.status(status);
  if (status.state === "refused") keyRing.end();
  if (status.state === "live")
    say(inside(document, ".empty-text"), "The next heartbeat is seconds away. Or publish something.");
}

function showKey(key: KeyInfo, rotations: number): void {
  keyRing.show(key, rotations);
  if (key.reason === "rotated") river.note(`New key in use: ${shortKid(key.kid)}`, "rotated");
}

function observe(connection: Push): void {
  connection.on("frame", (seen) => {
    river.frame(seen);
    byId("newest-seal").replaceChildren(grandSeal(seen.verdict, seen.frame?.sig ?? null));
    if (seen.verdict === "refused") announcer.refused(seen);
    showCounters(connection.stats);
  });
  connection.on("status", showStatus);
  connection.on("key", (key) => showKey(key, connection.stats.rotations));
  connection.on("gap", ({ channel, reason }) =>
    river.note(`${channel}: publications are lost (${reason})`, "lost"),
  );
  connection.on("error", (error) => river.note(`${error.message}: the client tries again`, "lost"));
  connection.on("limits", measurePublish);
  measurePublish();
  showStatus(connection.status);
  if (connection.key !== null) showKey(connection.key, connection.stats.rotations);
  showCounters(connection.stats);
}

async function start(): Promise<void> {
  const watched = Object.fromEntries(
    [...SYSTEM_CHANNELS, ...FIRST_CHANNELS].map((channel) => [channel, null]),
  );
  try {
    const connection = await connect(BASE, { channels: watched, intercept: tamper.intercept });
    push = connection;
    observe(connection);
    charts.follow(connection);
    alerts.follow(connection);
    channels.follow(connection);
  } catch (error) {
    streamState.show({ state: "refused", code: String((error as { code?: unknown }).code) });
    noticeBoard.failed(error);
    keyRing.end();
  }
}

decorate();
bindTheme(charts.redraw);
bindTamperSwitch(tamper);
const measurePublish = bindPublish(() => push);
bindCopyButtons();
setInterval(() => {
  const nowMs = Date.now();
  keyRing.tick(nowMs);
  streamState.tick(nowMs);
  noticeBoard.tick(nowMs);
  charts.redraw();
}, 1_000);
void start();
