"""The grammars of the values. Python's own conversions take far more than a person means (R76)."""

import ipaddress
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jitterbug.config import HistoryRule
from jitterbug.errors import SettingError

_WHOLE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})", re.ASCII)
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_HISTORY_RULE: Final = re.compile(r"([^=:,]+)=([^=:,]+):([^=:,]+)", re.ASCII)
_SQLITE: Final = "sqlite:///"


def number(name: str, text: str, *, whole: bool) -> int | float:
    """Read plain ASCII digits, with a fraction where the setting allows one.

    No sign, exponent, underscore, space or digit of another script: ``5_000`` and full-width digits are what
    ``int()`` would take for a number.
    """
    if whole:
        if _WHOLE.fullmatch(text):
            return int(text)
        raise SettingError(name, "is not a whole number in plain digits", remedy="Write it like 5000.")
    if _NUMBER.fullmatch(text):
        return float(text)
    raise SettingError(name, "is not a number in plain digits", remedy="Write it like 15 or 0.5.")


def address(name: str, text: str) -> tuple[str, int]:
    """Read ``host:port``, an IPv6 host in brackets."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65_535 or not (match[1] is None or _is_address(match[1])):
        raise SettingError(name, "is not host:port", remedy="Write it like 127.0.0.1:8440 or [::1]:8440.")
    return match[1] or match[2], int(match[3])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a listener on that host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def items(text: str) -> tuple[str, ...]:
    """Split a comma-separated list; empty text is an empty list."""
    return tuple(item.strip() for item in text.split(",")) if text.strip() else ()


def origins(name: str, text: str) -> tuple[str, ...]:
    """Read origins as browsers write them (RFC 6454 §6.2)."""
    for origin in items(text):
        if "*" not in origin and not _ORIGIN.fullmatch(origin):
            raise SettingError(
                name,
                "holds something that is not an origin",
                remedy="Write scheme, host in lower case and port only, like https://app.example.org.",
            )
    return items(text)


def networks(name: str, text: str) -> tuple[str, ...]:
    """Read IP addresses and networks; the whole Internet is not a proxy, in one piece or in several."""
    found = tuple(_network(name, item) for item in items(text))
    read = [ipaddress.ip_network(item) for item in found]
    of_4 = [network for network in read if isinstance(network, ipaddress.IPv4Network)]
    of_6 = [network for network in read if isinstance(network, ipaddress.IPv6Network)]
    for whole_4 in ipaddress.collapse_addresses(of_4):
        _refuse_all_addresses(name, whole_4)
    for whole_6 in ipaddress.collapse_addresses(of_6):
        _refuse_all_addresses(name, whole_6)
    return found


def _network(name: str, text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        problem = "holds something that is not an IP network"
        raise SettingError(name, problem, remedy="Write it like 10.0.0.0/8 or ::1.") from None
    _refuse_all_addresses(name, network)
    return text


def _refuse_all_addresses(name: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    if network.prefixlen == 0:
        raise SettingError(name, "trusts every address there is", remedy="Name the proxies' own network.")


def engine(name: str, text: str, cwd: Path) -> str:
    """Read the URL of the store. A relative path is made absolute here.

    It may hold a password one day, so it is never repeated.
    """
    file = text.removeprefix(_SQLITE)
    is_file = text != file and file.isprintable() and not re.search(r"[?#]", file) and not file.endswith("/")
    if is_file and file.rpartition("/")[2] not in {"", ".", "..", ":memory:"}:
        return _SQLITE + str(cwd.absolute() / file)
    valid = text == "memory://"
    if not valid:
        try:
            parts = urlsplit(text)
            valid = parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            valid = False
    if not valid:
        raise SettingError(
            name,
            "is not the URL of a store",
            remedy="Use memory://, or sqlite:///history.db for a file (sqlite:////var/lib/history.db from the root).",
        )
    return text


def history_rules(name: str, text: str) -> tuple[HistoryRule, ...]:
    """Read ``pattern=size:seconds,…``; what a pattern is and how large the numbers may be, Config judges."""
    found: list[HistoryRule] = []
    for item in items(text):
        match = _HISTORY_RULE.fullmatch(item)
        if match is None:
            raise SettingError(
                name, "holds something that is not a rule", remedy="Write rules like orders/**=500:3600,chat/*=50:600."
            )
        size = number(name, match[2], whole=True)
        found.append(HistoryRule(match[1], int(size), number(name, match[3], whole=False)))
    return tuple(found)


def web_address(name: str, text: str) -> str:
    """Read an HTTPS URL; plain HTTP is for this machine. It may hold a secret, so it is never repeated."""
    try:
        parts = urlsplit(text)
        scheme, host, _ = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        scheme = host = ""
    # urlsplit passes over line ends, which would go on into whatever the address is written to.
    if not text.isascii() or not text.isprintable() or " " in text:
        host = ""
    if not host or not (scheme == "https" or (scheme == "http" and is_loopback(host))):
        raise SettingError(name, "is not an HTTPS address", remedy="Plain HTTP is for this machine only.")
    return text


def path(text: str, cwd: Path) -> Path:
    """Read a file name, relative to the working directory."""
    return cwd / Path(text).expanduser()


def readable(name: str, text: str, cwd: Path) -> Path:
    """Read the name of a file that must be there."""
    found = path(text, cwd)
    try:
        with found.open("rb"):
            return found
    except OSError:
        raise SettingError(name, "names a file that cannot be read", remedy="Check path and permissions.") from None
