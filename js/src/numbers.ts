/**
 * Lossless numbers (PROTOCOL §1): a number text is allowed when it and the text of the double it becomes denote the
 * same decimal. `4.50` and `100000000000000000000` pass, `9007199254740993` and `1e400` do not.
 */

/** A decimal in one form: `digits` without outer zeros ("" for zero), times ten to the `exponent`. */
interface Decimal {
  readonly negative: boolean;
  readonly digits: string;
  readonly exponent: number;
}

/** Whether `Number(text)` keeps the value. `text` must be a JSON number (RFC 8259 §6). */
export function isLossless(text: string): boolean {
  const double = Number(text);
  if (!Number.isFinite(double)) return false;
  const written = decimal(text);
  const kept = decimal(String(double));
  if (written.digits === "") return true;
  return (
    written.negative === kept.negative && written.digits === kept.digits && written.exponent === kept.exponent
  );
}

function decimal(text: string): Decimal {
  const negative = text.startsWith("-");
  const [mantissa = "", power = "0"] = text.slice(negative ? 1 : 0).split(/e/i);
  const [whole = "", fraction = ""] = mantissa.split(".");
  const significant = withoutTrailingZeros(whole + fraction);
  const trailingZeros = whole.length + fraction.length - significant.length;
  return {
    negative,
    digits: significant.replace(/^0+/, ""),
    exponent: Number(power) - fraction.length + trailingZeros,
  };
}

/** A loop, because `/0+$/` takes quadratic time on a long run of zeros that is not at the end. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === "0") end -= 1;
  return digits.slice(0, end);
}
