"""The browser client keeps nothing: neither its sources nor what is built of them know a place to keep it (R3, R48)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted(ROOT.glob("js/src/**/*.ts")), *sorted(ROOT.glob("js/page/**/*.ts"))]
BUNDLES = {"client": ROOT / "js/dist/index.js", "live page": ROOT / "src/jitterbug/console/main.js"}
STORES = re.compile(
    r"\b(localStorage|sessionStorage|indexedDB|webkitIndexedDB|openDatabase|cookieStore|caches|CacheStorage|requestFileSystem"
    r"|webkitRequestFileSystem|showSaveFilePicker|serviceWorker|SharedWorker|userData)\b"
    r"|\bdocument\s*(\?\.|\.)\s*cookie\b|\.storage\b|getDirectory\s*\(|\[\s*[\"'`]cookie[\"'`]\s*\]|window\.name\b"
    r"|\bhistory\s*\.\s*(push|replace)State\b"
)
"""Every interface of browsers that outlives a page (HTML, IndexedDB, Service Workers, File System, Cookie Store)."""
WORKER = re.compile(r"\"SharedWorker\"|\bnew SharedWorker\b")
COMMENTS = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
EXPORTS = re.compile(r"\bexportKey\b|\bwrapKey\b")


def code(path: Path) -> str:
    """Without comments, which may speak of what the code must not do."""
    return COMMENTS.sub("", path.read_text("utf-8"))


def built(name: str) -> str:
    if not BUNDLES[name].is_file():
        pytest.skip(f"{BUNDLES[name].relative_to(ROOT)} is not built: make setup")
    return BUNDLES[name].read_text("utf-8")


def test_no_source_names_a_store_r3() -> None:
    assert len(SOURCES) > 40
    assert [path.name for path in SOURCES if STORES.search(WORKER.sub("", code(path)))] == []


def test_the_worker_that_leads_for_all_tabs_is_named_in_one_place_r3() -> None:
    """It keeps nothing: it ends with the last page of its origin, and its keys, in memory alone, with it."""
    assert [path.name for path in SOURCES if WORKER.search(code(path))] == ["line.ts"]


@pytest.mark.parametrize("name", BUNDLES)
def test_no_bundle_names_a_store_r3(name: str) -> None:
    """What is shipped, libraries included."""
    text = built(name)

    assert len(text) > 10_000
    assert STORES.findall(text) == []


@pytest.mark.parametrize("name", BUNDLES)
def test_no_bundle_can_ask_for_a_keys_bytes_r18(name: str) -> None:
    """T5: keys are imported, for verifying and signing, and never exported; none is made extractable."""
    text = built(name)
    imports = re.findall(r"\.importKey\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text)

    assert EXPORTS.findall(text) == []
    assert imports
    for arguments in imports:
        assert re.search(r",\s*(!1|false)\s*,", arguments), f"importKey({arguments})"


@pytest.mark.parametrize(
    "text",
    [
        "localStorage.k=1", "window['localStorage']", "sessionStorage.setItem(k,v)", "indexedDB.open(n)",
        "document.cookie=k", "document . cookie", "document['cookie']", "caches.open(n)", "cookieStore.set(k,v)",
        "navigator.storage.getDirectory()", "navigator.serviceWorker.register(u)", "window.name=k",
        "history.replaceState(k,'')",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert STORES.search(text)
