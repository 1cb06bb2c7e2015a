"""What it runs on."""

import os
import platform
import re
import ssl
import subprocess
import sysconfig
import time
from pathlib import Path


def machine() -> dict[str, str]:
    """Name and value, as the report shows them."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory_kb = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory_kb[1]) // 1_048_576 if memory_kb else '?'} GiB",
        "system": f"{_distribution()}, Linux {platform.release()}",
        "TCP congestion control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "Python": f"{platform.python_version()}, built {'with' if optimised else 'without'} --enable-optimizations",
        "OpenSSL": f"{ssl.OPENSSL_VERSION}; the load client's {_openssl()}",
        "load when it began": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown"


def _openssl() -> str:
    try:
        return (
            subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True)
            .stdout.split(" (")[0]
            .strip()
        )
    except OSError:
        return "unknown"
