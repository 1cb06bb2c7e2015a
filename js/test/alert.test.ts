import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAlert, spokenAlert } from "../page/alert.ts";

const PUBLISHED = {
  rule: "auth_failures",
  text: "More than 10 requests from one address. Block it, or look at the client.",
  at: 1_795_540_248_245,
  count: 11,
  subject: "192.0.2.7",
};

describe("reading an alert", () => {
  it("gives every member its words", () => {
    expect(readAlert(PUBLISHED)).toEqual({
      title: "Many requests without a session",
      seen: "More than 10 requests from one address.",
      remedy: "Block it, or look at the client.",
      atMs: 1_795_540_248_245,
      count: "11 requests",
      about: "from 192.0.2.7",
    });
  });

  it("shows a rule it has no words for under the rule's own name", () => {
    expect(
      readAlert({ rule: "disk", text: "The disk is full", at: 0, count: 1, subject: "a" }),
    ).toMatchObject({
      title: "disk",
      seen: "The disk is full",
      remedy: "",
      count: "1 time",
      about: "about a",
    });
  });

  it("leaves out what the hub leaves out: whom it is about, how many", () => {
    const { subject: _, count: __, ...rest } = PUBLISHED;
    expect(readAlert(rest)).toMatchObject({ count: "", about: "" });
  });

  it("never throws, and what it gives always has a time that can be written", () => {
    const member = fc.oneof(fc.string(), fc.double(), fc.jsonValue());
    const nearly = fc.record({ rule: member, text: member, at: member, count: member, subject: member });
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), nearly), (data) => {
        const alert = readAlert(data);
        if (alert !== null) expect(() => new Date(alert.atMs).toISOString()).not.toThrow();
      }),
    );
  });

  it("loses no word of the hub's text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const alert = readAlert({ ...PUBLISHED, text });
        expect([alert?.seen, alert?.remedy].join("")).toBe(text.replace(". ", "."));
      }),
    );
  });

  it.each([
    null,
    "text",
    [],
    {},
    { ...PUBLISHED, rule: 1 },
    { ...PUBLISHED, text: null },
    { ...PUBLISHED, at: "now" },
    { ...PUBLISHED, at: 9e15 },
    { ...PUBLISHED, at: Number.NaN },
  ])("takes %j for no alert", (data) => expect(readAlert(data)).toBeNull());
});

describe("an alert said aloud", () => {
  const spoken = (data: object) => {
    const alert = readAlert(data);
    return alert === null ? null : spokenAlert(alert);
  };

  it("names time, rule, number and subject", () => {
    expect(spoken(PUBLISHED)).toMatch(
      /^Alert at \d\d:\d\d:\d\d: Many requests without a session, 11 requests, from 192\.0\.2\.7$/,
    );
  });

  it("differs a minute later, or a live region would keep silent about the second one", () => {
    expect(spoken({ ...PUBLISHED, at: PUBLISHED.at + 60_000 })).not.toBe(spoken(PUBLISHED));
  });
});
