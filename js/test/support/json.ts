import fc from "fast-check";

/** Text without lone surrogates, with many of the characters that JSON and JCS treat in a special way. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom('"', "\\", "/", "\u0000", "\u001f", "\u007f", "é", "\u2028", "😀", "\ufb33", "a"),
  }),
  fc.constantFrom("__proto__", "toJSON", "constructor", "hasOwnProperty", ""),
);

/** Finite doubles of every size. */
export const number: fc.Arbitrary<number> = fc.double({ noNaN: true, noDefaultInfinity: true });

/** JSON values, nested a few levels; objects without a prototype, so that every name is a plain member. */
export const json: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    number,
    fc.integer(),
    text,
    fc.array(tie("value"), { maxLength: 4 }),
    object(tie("value")),
  ),
})).value;

/** JSON objects. */
export function object(value: fc.Arbitrary<unknown> = json): fc.Arbitrary<object> {
  return fc
    .uniqueArray(fc.tuple(text, value), { maxLength: 4, selector: ([name]) => name })
    .map((members) => {
      const made: Record<string, unknown> = Object.create(null);
      for (const [name, member] of members) made[name] = member;
      return made;
    });
}

/** What `value` looks like after JSON: -0 is 0 there. */
export function plain(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const made: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) made[name] = plain(member);
  return made;
}
