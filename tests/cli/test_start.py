"""Starting, helping, and failing in one line."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.cli.conftest import Run

COMMANDS = [["dev"], ["publish"], ["listen"], ["keys", "new"]]


def test_the_command_line_imports_no_server_and_no_client_until_it_needs_one() -> None:
    code = "import jitterbug.cli, sys; print(sorted({m.split('.')[0] for m in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert not {"httpx2", "uvicorn", "prometheus_client", "websockets"} & set(eval(result.stdout))


MOST_MODULES = 220
"""Python's own and typer's with a new version's growth; rich alone has seventy, an HTTP client or a server hundreds."""


@pytest.mark.parametrize("command", [[], ["keys"], ["audit"], ["check"], ["serve"], ["audit", "verify"], *COMMANDS])
def test_a_page_of_help_loads_nothing_that_only_a_command_needs(command: list[str]) -> None:
    """Counted, not timed: what is not loaded takes no time on any machine."""
    code = (
        "import sys; from jitterbug.__main__ import main\n"
        f"sys.argv[1:] = {[*command, '--help']}\n"
        "main()\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    loaded = result.stderr.split()
    ours = {name.split(".")[1] for name in loaded if name.startswith("jitterbug.")}
    assert ours == {"__main__", "cli", "errors"}
    heavy = {"asyncio", "httpx2", "msgspec", "prometheus_client", "rich", "ssl", "starlette", "structlog", "uvicorn"}
    assert heavy & set(loaded) == set()
    assert len(loaded) <= MOST_MODULES


@pytest.mark.parametrize("command", [[], ["keys"], ["audit"]])
def test_without_a_command_the_page_is_the_answer(jitterbug: Run, command: list[str]) -> None:
    result = jitterbug(*command)
    assert (result.returncode, result.stderr) == (2, "")
    assert result.stdout == jitterbug(*command, "--help").stdout


@pytest.mark.parametrize("columns", [20, 80, 300])
def test_a_page_of_help_fits_the_terminal(jitterbug: Run, columns: int) -> None:
    text = jitterbug("serve", "--help", environ={"COLUMNS": str(columns)}).stdout
    assert "[bold]" not in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= min(max(columns, 50), 100)


@pytest.mark.parametrize("module", ["jitterbug", "jitterbug.protocol", "jitterbug.settings"])
def test_the_library_does_not_bring_the_command_line_or_an_http_client_with_it(module: str) -> None:
    code = f"import {module}, sys; print(sorted({{m.split('.')[0] for m in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert not {"httpx2", "typer", "rich"} & set(eval(result.stdout))


@pytest.mark.parametrize("command", [[], *COMMANDS])
def test_every_help_has_an_example_or_names_the_commands(jitterbug: Run, command: list[str]) -> None:
    result = jitterbug(*command, "--help")
    assert result.returncode == 0
    assert result.stderr == ""
    assert (f"jitterbug {' '.join(command)}".strip()) in result.stdout
    assert "Examples" in result.stdout or "Commands" in result.stdout


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("dev", ["JITTERBUG_BIND", "JITTERBUG_ADMIN_BIND", "JITTERBUG_PROFILE", "HMAC_SECRET"]),
        ("publish", ["HMAC_KEY_ID", "HMAC_SECRET"]),
    ],
)
def test_help_names_what_the_environment_can_say(jitterbug: Run, command: str, names: list[str]) -> None:
    text = jitterbug(command, "--help").stdout
    assert [name for name in names if name not in text] == []


def test_the_version_is_that_of_the_distribution(jitterbug: Run) -> None:
    assert jitterbug("--version").stdout == f"jitterbug {version('jitterbug-push')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"], ["publsh", "a", "1"], ["publish"], ["listen"], ["dev", "--bogus"], ["publish", "a b", "1"],
        ["listen", "ä"], ["publish", "$sys/telemetry", "1"], ["listen", "a", "--url", "ftp://x"], ["dev", "--set", "X"],
        ["listen", "a", "-n", "0"],
    ],
)  # fmt: skip
def test_wrong_usage_is_told_in_one_line_with_status_2(jitterbug: Run, arguments: list[str]) -> None:
    result = jitterbug(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("jitterbug: JB_USAGE: ")
    assert "--help" in result.stderr


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"JITTERBUG_TICK_MS": "5_0"}, "JITTERBUG_TICK_MS"),
        ({"JITTERBUG_KEY_TTL": "5"}, "JITTERBUG_KEY_TTL_S?"),
        ({"JITTERBUG_BIND": "0.0.0.0:8440"}, "JITTERBUG_BIND"),
        ({"HMAC_KEY_ID": "root_one", "HMAC_SECRET": "Zm9vYmFyYmF6cXV4"}, "HMAC_SECRET"),
    ],
)
def test_a_bad_setting_is_told_in_one_line_with_status_78(jitterbug: Run, environ: dict[str, str], name: str) -> None:
    """R73, R76: the setting and the remedy, never the value."""
    result = jitterbug("dev", environ=environ)
    assert (result.returncode, result.stdout) == (78, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("jitterbug: JB_SETTING: ")
    assert name in result.stderr
    assert "Zm9v" not in result.stderr


@pytest.mark.parametrize("arguments", [["listen", "demo"], ["publish", "demo", "1"], ["publish", "demo", "-"]])
def test_a_hub_that_is_not_there_is_told_at_once_with_the_remedy(jitterbug: Run, arguments: list[str]) -> None:
    result = jitterbug(*arguments, "--url", "http://127.0.0.1:9", input="1\n")
    assert (result.returncode, result.stdout) == (1, "")
    assert "JB_NETWORK" in result.stderr
    assert "jitterbug dev" in result.stderr
    assert "Traceback" not in result.stderr


def test_keys_are_not_sent_to_another_machine_in_the_clear(jitterbug: Run) -> None:
    """R5."""
    result = jitterbug("listen", "demo", "--url", "http://hub.example")
    assert result.returncode == 1
    assert "JB_INSECURE" in result.stderr


def test_a_missing_extra_is_told_with_the_remedy() -> None:
    """Without the ``server`` extra one clear line, no traceback."""
    code = (
        "import sys\n"
        "class Nothing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'typer', 'rich', 'uvicorn', 'httpx2'}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
        "from jitterbug.__main__ import main\n"
        "sys.exit(main())\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 1
    assert result.stderr == 'jitterbug: JB_MISSING: typer is not installed. Run: pip install "jitterbug-push[server]"\n'
