"""Write vectors/*.json: the contract as data, made here in Python, confirmed by the TypeScript tests.

The output is the same on every run; a test holds the committed files equal to it.
"""

import base64
import json
import random
import sys
from pathlib import Path
from typing import Any

from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical, sse
from jitterbug.protocol.keys import RootKey, hkdf_sha256
from jitterbug.protocol.signing import MacKey

NOW_MS = 1_784_636_400_000
SKEW_MS, WINDOW_MS, MAX_BYTES = 5_000, 10_000, 1_024
RANDOM = random.Random("jitterbug vectors v1")
KID, OTHER, EXPIRED = "vector-key-000001", "vector-key-000002", "vector-key-000003"
SECRETS = {kid: RANDOM.randbytes(32) for kid in (KID, OTHER, EXPIRED)}
EXPIRES = {KID: None, OTHER: None, EXPIRED: NOW_MS - 1}
Case = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def frame(
    payload: str, *, kid: str = KID, ts: int = NOW_MS, nonce: str | None = None, secret: bytes | None = None
) -> str:
    """A signed frame in canonical form around canonical payload text."""
    nonce = nonce or b64(RANDOM.randbytes(32))
    message = f"{kid}:{ts}:{nonce}:{payload}".encode()
    sig = b64(MacKey(secret or SECRETS.get(kid, bytes(32))).mac(message))
    return f'{{"kid":"{kid}","nonce":"{nonce}","payload":{payload},"sig":"{sig}","ts":{ts}}}'


CANONICAL_INPUTS: list[tuple[str, str | bytes]] = [
    ("empty object", "{}"),
    ("white space everywhere", ' \t\n\r{ "b" : [ 1 , 2 ] ,\n"a" : null } '),
    ("members sorted by UTF-16 code unit", '{"\\ufb33":1,"\\ud83d\\ude00":2,"\\u20ac":3,"1":4,"\\r":5}'),
    ("prototype names are plain members", '{"__proto__":{"a":1},"constructor":2,"toJSON":3}'),
    ("control characters", '"\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\\\/\\u007f"'),
    ("line separators are not escaped", '"\u2028\u2029"'),
    ("astral text", '"\\ud83d\\ude00 \U0001f41b"'),
    ("4.50", "4.50"), ("1E3", "1E3"), ("-0", "-0"), ("-0.0", "-0.0"), ("0e999999999999", "0e999999999999"),
    ("1e21", "1e21"), ("1e-7", "0.0000001"), ("2^53-1", "9007199254740991"), ("2^53", "9007199254740992"),
    ("10^20", "100000000000000000000"), ("smallest double", "5e-324"), ("largest double", "1.7976931348623157e308"),
    ("exponent with leading zeros", "1e0000000000000000000000000000000000000003"),
    ("2^53+1 is lossy", "9007199254740993"), ("1e400 overflows", "1e400"), ("1e-400 underflows", "1e-400"),
    ("more digits than a double holds", "0.10000000000000000000000000000000001"), ("18 digits", "123456789012345678"),
    ("NaN", "NaN"), ("Infinity", "-Infinity"), ("leading plus", "+1"), ("leading zero", "01"), ("bare point", "1."),
    ("no whole part", ".5"), ("hexadecimal", "0x10"), ("Arabic digits", "\u0661"),
    ("byte order mark", "\ufeff{}"), ("two values", "{}{}"), ("trailing comma", "[1,]"), ("comment", "[1/**/]"),
    ("single quotes", "{'a':1}"), ("empty text", ""), ("raw control character", '"\n"'), ("no-break space", "\u00a0{}"),
    ("duplicate name", '{"a":1,"a":1}'), ("duplicate through an escape", '{"a":1,"\\u0061":2}'),
    ("duplicate deep inside", '[[{"x":{"k":1,"k":2}}]]'), ("escaped __proto__ twice", '{"__proto__":1,"\\u005f_proto__":2}'),
    ("lone high surrogate", '"\\ud800"'), ("lone low surrogate", '{"\\udc00":1}'), ("surrogates reversed", '"\\udc00\\ud800"'),
    ("unknown escape", '"\\x41"'), ("short escape", '"\\u12"'),
    ("depth 32", "[" * 32 + "]" * 32), ("depth 33", "[" * 33 + "]" * 33),
    ("brackets in strings are no depth", json.dumps(["[" * 40, {"{" * 40: 1}])),
    ("many brackets, little depth", "[" + ",".join(["[]"] * 60) + "]"),
    ("invalid UTF-8", b'"\xff"'), ("overlong UTF-8", b'"\xc0\xaf"'), ("surrogate in UTF-8", b'"\xed\xa0\x80"'),
    ("UTF-16", '{"a":1}'.encode("utf-16-le")),
]  # fmt: skip


def canonical_cases() -> dict[str, Any]:
    cases = []
    for name, given in CANONICAL_INPUTS:
        data = given if isinstance(given, bytes) else given.encode()
        try:
            result: str | None = canonical.encode(canonical.decode(data)).decode()
        except CanonicalError:
            result = None
        shown = {"input_hex": given.hex()} if isinstance(given, bytes) else {"input": given}
        cases.append({"name": name, **shown, "canonical": result})
    return {"cases": cases}


def refused_frames() -> list[Case]:
    good = frame('{"t":"ping"}')
    body = json.loads(good)
    flipped = ("A" if body["sig"][0] != "A" else "B") + body["sig"][1:]
    last = body["sig"][42]
    loose = chr(ord(last) + 1) if last not in "048" else str(int(last) + 1)
    nested = '{"a":' + "[" * 31 + "]" * 31 + "}"

    def text(**changes: Any) -> str:
        return json.dumps({**body, **changes}, separators=(",", ":"), sort_keys=True)

    def case(name: str, given: str, reason: str, now_ms: int = NOW_MS) -> Case:
        return {"name": name, "frame": given, "now_ms": now_ms, "reason": reason}

    return [
        case("wrong signature, first character", text(sig=flipped), "signature"),
        case("another payload", text(payload={"t": "pong"}), "signature"),
        case("another time", text(ts=NOW_MS + 1), "signature"),
        case("another nonce", text(nonce=b64(bytes(32))), "signature"),
        case("another known key id", text(kid=OTHER), "signature"),
        case("unknown key id", text(kid="vector-key-000009"), "key"),
        case("unknown key id and stale", text(kid="vector-key-000009", ts=1), "key"),
        case("signed under the right id with a wrong key", frame("{}", secret=bytes(32)), "signature"),
        case("one millisecond too old", good, "stale", NOW_MS + SKEW_MS + 1),
        case("one millisecond too early", good, "stale", NOW_MS - SKEW_MS - 1),
        case("signed after the key ended", frame("{}", kid=EXPIRED), "stale"),
        case("no sig", json.dumps({k: v for k, v in body.items() if k != "sig"}), "grammar"),
        case("sig null", text(sig=None), "grammar"),
        case("sig empty", text(sig=""), "grammar"),
        case("sig truncated to 128 bits", text(sig=b64(base64.b64decode(body["sig"])[:16])), "grammar"),
        case("sig with loose trailing bits", text(sig=body["sig"][:42] + loose + "="), "grammar"),
        case("sig without padding", text(sig=body["sig"][:43]), "grammar"),
        case("sig with a non-ASCII character", text(sig="\u00e9" + body["sig"][1:]), "grammar"),
        case("sig in the URL-safe alphabet", text(sig="-_" + body["sig"][2:]), "grammar"),
        case("nonce of 31 bytes", text(nonce=b64(bytes(31)) + ""), "grammar"),
        case("further member", text(alg="none"), "grammar"),
        case("alg none instead of sig", json.dumps({**{k: v for k, v in body.items() if k != "sig"}, "alg": "none"}), "grammar"),
        case("ts as text", text(ts=str(NOW_MS)), "grammar"),
        case("ts as true", text(ts=True), "grammar"),
        case("ts as a fraction", good.replace(f'"ts":{NOW_MS}', f'"ts":{NOW_MS}.0'), "grammar"),
        case("ts with an exponent", good.replace(f'"ts":{NOW_MS}', '"ts":1784636400e3'), "grammar"),
        case("ts negative", text(ts=-1), "grammar"),
        case("ts beyond 2^53 - 1", text(ts=2**53), "grammar"),
        case("kid with a colon", text(kid="vector:key-000001"), "grammar"),
        case("kid too short", text(kid="abc"), "grammar"),
        case("kid too long", text(kid="a" * 97), "grammar"),
        case("kid with a line end", text(kid=KID + "\n"), "grammar"),
        case("payload a list", text(payload=[]), "grammar"),
        case("payload a text", text(payload="{}"), "grammar"),
        case("duplicate payload", good[:-1] + ',"payload":{"t":"ping"}}', "grammar"),
        case("duplicate member through an escape", good[:-1] + ',"\\u006bid":"x"}', "grammar"),
        case("something after the frame", good + " {}", "grammar"),
        case("byte order mark", "\ufeff" + good, "grammar"),
        case("an array", "[" + good + "]", "grammar"),
        case("lossy number in the payload", frame('{"n":9007199254740993}'), "grammar"),
        case("duplicate inside the payload", frame('{"a":1,"a":2}'), "grammar"),
        case("depth 33", frame(nested), "grammar"),
        case("one byte over the limit", sized(MAX_BYTES + 1), "size"),
        case("over the limit in bytes, not in characters", sized(MAX_BYTES + 1, filler="\u00e9"), "size"),
        {"name": "invalid UTF-8", "frame_hex": good.encode().replace(b"ping", b"p\xffng").hex(), "now_ms": NOW_MS, "reason": "grammar"},
        {"name": "empty", "frame_hex": "", "now_ms": NOW_MS, "reason": "grammar"},
    ]  # fmt: skip


def sized(size: int, filler: str = "x") -> str:
    """A valid frame of exactly this many UTF-8 bytes."""
    missing = size - len(frame('{"d":""}').encode())
    wide = len(filler.encode())
    return frame('{"d":"' + filler * (missing // wide) + "x" * (missing % wide) + '"}')


def accepted_frames() -> list[Case]:
    good = frame('{"a":[1,2.5,null,true,"\u00e9"],"t":"msg"}')
    body = json.loads(good)
    loose = json.dumps(dict(reversed(body.items())), indent=1)
    nested = '{"a":' + "[" * 30 + "]" * 30 + "}"

    def case(name: str, given: str, payload: str, now_ms: int = NOW_MS) -> Case:
        return {"name": name, "frame": given, "now_ms": now_ms, "payload_canonical": payload}

    payload = '{"a":[1,2.5,null,true,"\u00e9"],"t":"msg"}'
    return [
        case("plain", good, payload),
        case("white space and order are free towards the hub", loose, payload),
        case("escapes are free towards the hub", good.replace("\u00e9", "\\u00e9"), payload),
        case("numbers in another notation", good.replace("2.5", "25e-1"), payload),
        case("exactly at the skew, old", good, payload, NOW_MS + SKEW_MS),
        case("exactly at the skew, early", good, payload, NOW_MS - SKEW_MS),
        case("signed in the last millisecond of the key", frame("{}", kid=EXPIRED, ts=NOW_MS - 1), "{}"),
        case("exactly at the size limit", sized(MAX_BYTES), json.dumps(json.loads(sized(MAX_BYTES))["payload"], separators=(",", ":"))),
        case("depth 32", frame(nested), nested),
        case("__proto__ and toJSON are members", frame('{"__proto__":{"x":1},"toJSON":1}'), '{"__proto__":{"x":1},"toJSON":1}'),
    ]  # fmt: skip


def sequences() -> list[Case]:
    one, two = frame('{"n":1}'), frame('{"n":2}')
    nonce = b64(RANDOM.randbytes(32))
    forged = json.loads(one)
    forged["sig"] = b64(bytes(32))
    late = frame('{"n":3}', ts=NOW_MS + 30_000)

    def step(given: str, after_ms: int, verdict: str) -> Case:
        return {"frame": given, "now_ms": NOW_MS + after_ms, "verdict": verdict}

    return [
        {"name": "the same frame again", "steps": [step(one, 0, "verified"), step(one, 0, "replay"), step(one, 4_999, "replay"), step(one, 5_001, "stale")]},
        {"name": "a forged copy burns nothing", "steps": [step(json.dumps(forged), 0, "signature"), step(one, 1, "verified"), step(two, 1, "verified")]},
        {"name": "a nonce belongs to its key", "steps": [step(frame("{}", nonce=nonce), 0, "verified"), step(frame("{}", kid=OTHER, nonce=nonce), 0, "verified"), step(frame('{"other":1}', nonce=nonce), 0, "replay")]},
        {"name": "a frame stamped ahead stays remembered as long as it is fresh", "steps": [step(frame("{}", ts=NOW_MS + 5_000, nonce=nonce), 0, "verified"), step(frame("{}", ts=NOW_MS + 5_000, nonce=nonce), 9_999, "replay")]},
        {"name": "a clock stepped back revives nothing", "steps": [step(one, 0, "verified"), step(late, 30_000, "verified"), step(one, 0, "replay")]},
    ]  # fmt: skip


def frame_cases() -> dict[str, Any]:
    sign = []
    for name, payload in (
        ("empty payload", "{}"),
        ("every kind of value", '{"a":[null,true,false,1,-2.5,1e+21,"x"],"b":{"\u00e9":"\u2028"},"t":"msg"}'),
        ("sorted by UTF-16", '{"\u20ac":1,"\U0001f600":2,"\ufb33":3}'),
    ):
        nonce = b64(RANDOM.randbytes(32))
        sign.append({
            "name": name, "kid": KID, "ts": NOW_MS, "nonce": nonce,
            "payload": json.loads(payload), "frame": frame(payload, nonce=nonce),
        })  # fmt: skip
    return {
        "keys": {kid: {"secret": b64(SECRETS[kid]), "expires_at_ms": EXPIRES[kid]} for kid in SECRETS},
        "skew_ms": SKEW_MS,
        "replay_window_ms": WINDOW_MS,
        "max_frame_bytes": MAX_BYTES,
        "sign": sign,
        "accept": accepted_frames(),
        "refuse": refused_frames(),
        "sequences": sequences(),
    }


def key_cases() -> dict[str, Any]:
    cases = []
    for number in range(4):
        root = RANDOM.randbytes(32 + 16 * number)
        session = b64(RANDOM.randbytes(8 * number + 4))
        key = RootKey("vector-root", root).issue(session, NOW_MS + 600_000, RANDOM.randbytes(16))
        info = b"jitterbug ephemeral v1" + key.kid.encode()
        assert hkdf_sha256(root, salt=session.encode(), info=info) == key.secret
        cases.append({"root": b64(root), "session": session, "kid": key.kid, "secret": b64(key.secret)})
    return {"cases": cases}


def sse_cases() -> dict[str, Any]:
    encode = [
        {"id": event_id, "data": data, "bytes": sse.event(data.encode(), None if event_id is None else event_id.encode()).decode()}
        for event_id, data in (
            (None, '{"a":1}'), ("e1~abc.41", "x"), (None, ""), (None, "two\nlines"), (None, "cr\rcrlf\r\nlf\nend\n"),
            (None, " leading space"), (None, "data: id: 7\n\nevent: x"), ("", "id emptied"), (None, "\u2028 is no line end"),
        )
    ]  # fmt: skip
    plain = {"data": "x", "id": "", "event": "message"}
    decode = [
        ("one event", ["data: x\n\n"], [plain]),
        ("cut everywhere", list("data: x\n\n"), [plain]),
        ("carriage returns", ["data: x\r\rdata: x\r\r"], [plain, plain]),
        ("CRLF cut in the middle", ["data: x\r", "\n\r", "\ndata: x\r\n\r\n"], [plain, plain]),
        ("byte order mark once", ["\ufeffdata: x\n\n"], [plain]),
        ("second byte order mark spoils the name", ["\ufeff\ufeffdata: y\n\ndata: x\n\n"], [plain]),
        ("comment", [": hello\n:\ndata: x\n\n"], [plain]),
        ("no space, one space, two", ["data:x\ndata: x\ndata:  x\n\n"], [{**plain, "data": "x\nx\n x"}]),
        ("tab is kept", ["data:\tx\n\n"], [{**plain, "data": "\tx"}]),
        ("name without colon", ["data\n\n"], [{**plain, "data": ""}]),
        ("unknown names", ["Data: y\n data: y\nda-ta: y\ndata: x\n\n"], [plain]),
        ("unfinished event is dropped", ["data: x\n\ndata: y\n"], [plain]),
        ("id persists and changes", ["id: 1\ndata: x\n\ndata: x\n\nid\ndata: x\n\n"], [{**plain, "id": "1"}, {**plain, "id": "1"}, plain]),
        ("id alone moves the cursor and fires nothing", ["id: 7\n\ndata: x\n\n"], [{**plain, "id": "7"}]),
        ("id with NUL is ignored", ["id: a\0b\ndata: x\n\n"], [plain]),
        ("event type, then the default again", ["event: hi\ndata: x\n\ndata: x\n\n"], [{**plain, "event": "hi"}, plain]),
        ("NUL in data is text", ["data: a\0b\n\n"], [{**plain, "data": "a\0b"}]),
        ("retry fires nothing", ["retry: 1000\n\nretry: 1x\n\ndata: x\n\n"], [plain]),
    ]  # fmt: skip
    return {"encode": encode, "decode": [{"name": n, "chunks": c, "events": e} for n, c, e in decode]}


def build() -> dict[str, str]:
    """All files by name."""
    tables = {
        "canonical": canonical_cases(),
        "frames": frame_cases(),
        "keys": key_cases(),
        "sse": sse_cases(),
    }
    return {f"{name}.json": json.dumps(table, indent=1, ensure_ascii=True) + "\n" for name, table in tables.items()}


def main() -> int:
    """Write the files."""
    folder = Path(__file__).resolve().parent.parent / "vectors"
    folder.mkdir(exist_ok=True)
    for name, text in build().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"vectors/{name}: {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
