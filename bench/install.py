"""Installs the peers and what compiles the load client: ``python -m bench.install``. What cannot be had is said.

Debian's packages when run as root, PyPI's from the group ``bench`` of ``pyproject.toml``, npm's into ``.make/bench``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.peers.base import UnavailableError
from bench.peers.nchan import Nchan
from bench.peers.node_server import INSTALLED, SCRIPTS

ROOT: Final = Path(__file__).resolve().parents[1]
_DEBIAN: Final = ("gcc", "libc6-dev", "libssl-dev", "openssl", "nginx", "libnginx-mod-nchan", "linux-perf")


def main() -> int:
    """Install what is missing; 1 when the load client cannot be compiled."""
    _debian()
    _pypi()
    _npm()
    if shutil.which("gcc") is None or not Path("/usr/include/openssl/ssl.h").exists():
        print(
            "The load client needs a C compiler and OpenSSL's headers: apt-get install gcc libssl-dev", file=sys.stderr
        )
        return 1
    return 0


def _debian() -> None:
    try:
        Nchan.version()
        if None not in (shutil.which("gcc"), shutil.which("perf")) and Path("/usr/include/openssl/ssl.h").exists():
            return
    except UnavailableError:
        pass
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"Not installed, as this is not Debian or not root: {' '.join(_DEBIAN)}")
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=False, env=quiet)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *_DEBIAN]
    subprocess.run(command, check=False, env=quiet, stdout=subprocess.DEVNULL)


def _pypi() -> None:
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--group", "bench"]
    if subprocess.run(command, check=False, cwd=ROOT).returncode:
        print("Some of PyPI's peers could not be installed.")


def _npm() -> None:
    INSTALLED.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SCRIPTS / "package.json", INSTALLED / "package.json")
    if shutil.which("npm") is None:
        print("Not installed, as npm is not here: better-sse, socket.io")
        return
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], check=False, cwd=INSTALLED)


if __name__ == "__main__":
    sys.exit(main())
