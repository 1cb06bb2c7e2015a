"""The client as it is shipped, under Node, against a hub as it is started (O32, O36, R6)."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.security.dev_hub import PATIENCE_S, DevHub

BUNDLE = Path(__file__).parents[2] / "js/dist/index.js"
NODE = shutil.which("node")
SCRIPT = """
import { connect } from %(bundle)s;
let cookie = "";
const withCookie = async (url, options = {}) => {
  const answer = await fetch(url, { ...options, headers: { ...options.headers, cookie } });
  for (const line of answer.headers.getSetCookie()) cookie = line.split(";")[0];
  return answer;
};
// Resolves once the channel stands: what is published from then on comes.
const push = await connect(%(base)s, { fetch: withCookie, channels: { "orders/42": null } });
const came = [];
const all = new Promise((resolve) => {
  push.subscribe("orders/42", (data) => { came.push(data); if (came.length === 3) resolve(); });
});
const faults = [];
push.on("error", (error) => faults.push(error.code));
const sent = [{ n: 1, "\\u00e9": ["\\ud83d\\ude00", 1e21] }, null, "three"];
for (const data of sent) await push.publish("orders/42", data);
await all;
console.log(JSON.stringify({ came, faults, stats: push.stats, status: push.status, limits: push.limits }));
push.close();
"""


def test_the_shipped_client_and_the_shipped_hub_understand_each_other_o32_o36(tmp_path: Path) -> None:
    """O2, R6: another language fetches a key, verifies each frame, signs its own; nothing stands in between."""
    if NODE is None or not BUNDLE.is_file():
        pytest.skip("Node or js/dist/index.js is missing: make setup")
    with DevHub(tmp_path) as hub:
        script = SCRIPT % {
            "bundle": json.dumps(BUNDLE.as_uri()),
            "base": json.dumps(f"{hub.url}/api/jitterbug"),
        }
        done = subprocess.run(
            [NODE, "--input-type=module", "--eval", script],
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)

    assert told["came"] == [{"n": 1, "é": ["😀", 1e21]}, None, "three"]
    assert (told["faults"], told["status"]["state"]) == ([], "live")
    assert told["limits"]["frame"] == 1_024
