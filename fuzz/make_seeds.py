"""Write ``fuzz/seeds`` anew from the vectors: ``python -m fuzz.make_seeds``. The rest of the seeds stands here."""

import json
from pathlib import Path

from jitterbug.testing import vectors

_FOLDER = Path(__file__).resolve().parent / "seeds"
_CLAIMS = {"sub": "ada", "exp": 1_999_999_999, "aud": "hub", "jitterbug": {"subscribe": ["a/*", "**.b"]}}
_STREAM = [
    '={"conn":"c","limits":{"burst":10,"frame":1024,"rate":1},"seq":1,"serverTime":1784636400000,"t":"hello","v":1}',
    '={"ch":"a","conn":"c","pos":["e",0],"seq":2,"t":"subscribed"}',
    '={"ch":"b","conn":"c","pos":["e",5],"recovered":true,"seq":3,"t":"subscribed"}',
    '={"ch":"b","conn":"c","data":{"x":1},"pos":["e",4],"re":true,"seq":4,"t":"msg"}',
    '={"ch":"b","conn":"c","data":null,"pos":["e",5],"seq":5,"t":"msg"}',
    '={"ch":"a","conn":"c","pos":["e",9],"reason":"overflow","seq":6,"t":"gap"}',
    '={"ch":"a","conn":"c","data":1,"pos":["e",10],"seq":8,"t":"msg"}',
    '={"ch":"b","conn":"c","pos":["f",2],"reason":"epoch","seq":9,"t":"gap"}',
    '={"conn":"c","reason":"shutdown","retry":1000,"seq":10,"t":"bye"}',
    '{"a":"stranger"}',
]  # fmt: skip
_KID = "tELujdRu4UST8MXEU3dWa7qlgzvLBMDgvJ44Q4MloFMP3BTw-vKZ"
_BODY = '{"kid":"abcd_efgh","channels":{"a":null,"orders/42":["e",41]}}'


def _seeds() -> dict[str, list[str | bytes]]:
    canonical, frames, sse = vectors("canonical"), vectors("frames"), vectors("sse")
    texts: list[str | bytes] = [case["input"] for case in canonical["cases"] if "input" in case]
    texts += [bytes.fromhex(case["input_hex"]) for case in canonical["cases"] if "input_hex" in case]
    accepted = [case["frame"] for case in (*frames["sign"], *frames["accept"])]
    refused = [case["frame"] for case in frames["refuse"] if "frame" in case]
    return {
        "canonical_json": texts,
        "frame": [*accepted, *refused[:12], *(json.dumps(case["payload"]) for case in frames["sign"])],
        "sse": [bytes(range(0, 256, 32)) + "".join(case["chunks"]).encode() for case in sse["decode"]],
        "receiver": ["\n".join(_STREAM), "\n".join(_STREAM[:5]), "\n".join((_STREAM[0], *_STREAM[3:5], _STREAM[8]))],
        "cursor": ["e~{0}.41", "e~{0}.41~{1}.7~f~{2}.0", "e~{1}.007", '["e",41]', "~{0}.1~", "{0}.1"],
        "stream_request": [
            f"kid={_KID}&channel=a&channel=orders%2F42\n\n\ne~AAAAAAAA.4\n\n{_BODY}",
            f"kid=abcd&channel=%24sys/telemetry\nhttps://hub.example\nsame-origin\n\nhttps\n{_BODY}",
            "kid=abcd&kid=efgh\nhttps://app.example\ncross-site\n\n\n{}",
            "kid=a+b&channel=%C3%A9&x=\nnull\nnone\n\n\n[]",
        ],
        "settings": [
            "127.0.0.1:8440", "[::1]:8441", "5000", "0.5", "https://app.example.org,http://localhost:3000",
            "10.0.0.0/8,::1", "memory://", "redis://user:word@store.example:6379/0", "root_key_1",
            "root_old:eSrdyDBr5MgtMFfEA6Ef/27Wnx2Zvr1KVhW4lccolDk=",
            "HMAC_KEY_ID=root_key_1\nHMAC_SECRET='eSrdyDBr5MgtMFfEA6Ef/27Wnx2Zvr1KVhW4lccolDk='\n# no more\n",
            'bind = "127.0.0.1:0"\nKEY_TTL_S = 60\nallowed_origins = ["https://app.example.org"]\n',
            "JITTERBUG_JWT_KEY=0123456789abcdefghijklmnopqrstuvwxyz", "JITTERBUG_PROFILE=realtime",
        ],
        "kid": [_KID, "root_now", *(case["kid"] for case in vectors("keys")["cases"])],
        "token": [
            json.dumps(_CLAIMS) + "\n\na/xb",
            json.dumps({**_CLAIMS, "aud": ["hub", "other"], "nbf": 1_784_636_404}) + '\n{"alg":"HS256"}\na/b/x.b',
            json.dumps({**_CLAIMS, "exp": 1e999}) + '\n{"alg":"none"}\n$sys/telemetry',
            '{"subscribe":["*a*a*b"],"publish":["$sys/**"]}\n{"alg":"HS256","crit":["x"]}\naabab',
        ],
    }  # fmt: skip


def main() -> None:
    """Write them; what is there under other names stays, as findings do that were mended."""
    for target, seeds in _seeds().items():
        folder = _FOLDER / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"{number:02}").write_bytes(
                seed.encode("utf-8", "surrogatepass") if isinstance(seed, str) else seed
            )


if __name__ == "__main__":
    main()
