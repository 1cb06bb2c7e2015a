import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { Answers, MAX_UNANSWERED } from "../src/answers.ts";
import { ManualRuntime } from "./support/clock.ts";

let runtime: ManualRuntime;
let answers: Answers;

beforeEach(() => {
  runtime = new ManualRuntime();
  answers = new Answers(runtime);
});

const ack = (id: string | null) => ({ id, code: null, position: null });
const err = (code: string, id: string | null = null) => ({ id, code, position: null });

describe("Answers", () => {
  it("each reach the frame they are to, with or without an id, given the hub's order", async () => {
    const sent = fc.array(
      fc.record({ hasId: fc.boolean(), outcome: fc.constantFrom("ack", "err", "err without id") }),
      { maxLength: MAX_UNANSWERED },
    );
    await fc.assert(
      fc.asyncProperty(sent, async (frames) => {
        const inTurn = new Answers(runtime);
        const results = frames.map(({ hasId }, index) =>
          inTurn.expect(hasId ? `${index}` : null).then(
            (answer) => answer,
            (error) => error.code,
          ),
        );
        for (const [index, { hasId, outcome }] of frames.entries()) {
          const id = hasId && outcome !== "err without id" ? `${index}` : null;
          const answer = outcome === "ack" ? ack(id) : err("unauthorized", id);
          expect(inTurn.take(answer)).toBe(true);
        }
        const wanted = frames.map(({ hasId, outcome }, index) => {
          if (!hasId) return null;
          return outcome === "ack" ? { id: `${index}` } : "JB_UNAUTHORIZED";
        });
        expect(await Promise.all(results)).toEqual(wanted);
        expect(inTurn.take(ack(null))).toBe(false);
        inTurn.end();
      }),
    );
  });

  it.each([
    ["unauthorized", "JB_UNAUTHORIZED"],
    ["invalid request", "JB_INVALID_REQUEST"],
    ["rate limited", "JB_RATE_LIMITED"],
    ["internal error", "JB_INTERNAL"],
    ["a word of a later hub", "JB_INVALID_REQUEST"],
    ["constructor", "JB_INVALID_REQUEST"],
  ])("%s ends in the error that HTTP would have given: %s", async (word, code) => {
    const answer = answers.expect("1");
    answers.take(err(word, "1"));
    await expect(answer).rejects.toMatchObject({ code });
  });

  it("give the position of a publication", async () => {
    const answer = answers.expect("1");
    answers.take({ id: "1", code: null, position: ["e", 7] });
    expect(await answer).toEqual({ id: "1", pos: ["e", 7] });
  });

  it("that nobody waits for are told apart from those somebody does", () => {
    void answers.expect("1");
    expect(answers.take(ack("2"))).toBe(false);
    expect(answers.take(ack("1"))).toBe(true);
    expect(answers.take(err("unauthorized"))).toBe(false);
  });

  it("late by ten seconds are given up, and do not shift the next one's turn", async () => {
    const late = expect(answers.expect("1")).rejects.toMatchObject({ code: "JB_NETWORK" });
    await runtime.advance(10_000);
    await late;
    const next = answers.expect("2");
    answers.take(err("rate limited"));
    answers.take(ack("2"));
    expect(await next).toEqual({ id: "2" });
  });

  it("are waited for by a bounded number of frames", () => {
    for (let n = 0; n < MAX_UNANSWERED; n += 1) {
      answers.assertRoom();
      void answers.expect(null);
    }
    expect(() => answers.assertRoom()).toThrow(expect.objectContaining({ code: "JB_RATE_LIMITED" }));
    answers.take(ack(null));
    answers.assertRoom();
  });

  it("that say rate limited count along with the hub's back-off, and start over when it would", async () => {
    const waits: number[] = [];
    const limited = async () => {
      const answer = answers.expect("1");
      answers.take(err("rate limited"));
      await answer.catch((error) => waits.push(error.retryAfterMs));
    };
    for (let turn = 0; turn < 7; turn += 1) await limited();
    await runtime.advance(60_001);
    await limited();
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 1_000]);
  });

  it("stop with the wire: whoever waits is told, and no timer is left", async () => {
    const answer = answers.expect("1");
    answers.end();
    await expect(answer).rejects.toMatchObject({ code: "JB_NETWORK" });
    expect(runtime.pendingMs).toEqual([]);
  });
});
