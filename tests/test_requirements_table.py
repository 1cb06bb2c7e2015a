"""Requirements, the tests that name them, and the tables made of both (R88)."""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = '''
"""R1: a module's docstring lets no test claim anything."""
from hypothesis.stateful import RuleBasedStateMachine

def test_by_name_r2_and_o3(): ...
def test_of_a_range_r4_to_r6(): ...
async def test_later():
    """R7, R49; see R14-R16 and O22\u2013O24, not RFC 8785, O(1) or R2D2."""
def helper_r80():
    """R81."""
class TestGroup:
    """R30."""
    def test_inside_r31(self): ...
    def helper(self):
        """R82."""
class Machine(RuleBasedStateMachine):
    """R67."""
    def rule_r33(self):
        """O10."""
TestMachine = Machine.TestCase
'''
SCRIPT = """
// R80: not directly above.

it("by title (R2)", () => {});
// R3, and this
// R4
test('two lines above', () => {});
describe("a group (R27)", () => {
  /** O6. */
  it(`with a ${kind} of quotes, "so"`, () => {
    it.skip("R81 inside a body counts for itself", () => {});
  });
  it.each([
    ["(", 1],
    [")", 2],
  ])("row %s of $name.first (R28)", () => {});
  it.each<[string, number]>(cases)("typed", () => {});
});
it("after it", async () => {});
"""
CATALOGUE = """
| id | rule | how it is checked |
| --- | --- | --- |
| R2 | Two. | So. |
| R3 | Three. | So. |
| R67 | Replay. | So. |
| O99 | Nobody shows it. | How? |
"""


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The scripts as modules."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        yield {
            name: importlib.import_module(name)
            for name in ("requirement_tests", "requirement_results", "requirements", "compliance")
        }
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project."""
    for path, text in {
        "tests/room/test_a.py": PYTHON,
        "tests/room/support.py": 'def test_r79(): """R79."""',
        "js/test/b.test.ts": SCRIPT,
        "js/test/support/c.ts": 'it("R79", () => {});',
        "docs/requirements.md": CATALOGUE,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    return tmp_path


def junit(folder: Path, *cases: tuple[str, str, str]) -> Path:
    """Results as pytest writes them: class, name, and what is inside."""
    lines = [
        f'<testcase classname="{suite}" name="{name}" time="0">{inside}</testcase>' for suite, name, inside in cases
    ]
    path = folder / "junit.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(lines)}</testsuite></testsuites>")
    return path


def vitest(folder: Path, **verdicts: str) -> Path:
    """Results as vitest writes them, by title."""
    cases = [{"ancestorTitles": [], "title": title, "status": status} for title, status in verdicts.items()]
    path = folder / "vitest.json"
    report = {"testResults": [{"name": str(folder / "js/test/b.test.ts"), "assertionResults": cases}]}
    path.write_text(json.dumps(report))
    return path


def named(scripts: dict[str, Any], tree: Path) -> dict[str, set[str]]:
    return {test.name: set(test.ids) for test in scripts["requirement_tests"].collect(tree)}


# Finding tests


def test_python_tests_name_ids_by_function_docstring_and_class(scripts: dict[str, Any], tree: Path) -> None:
    found = {name: ids for name, ids in named(scripts, tree).items() if "test_" in name or "Test" in name}

    assert found == {
        "test_by_name_r2_and_o3": {"R2", "O3"},
        "test_of_a_range_r4_to_r6": {"R4", "R5", "R6"},
        "test_later": {"R7", "R49", "R14", "R15", "R16", "O22", "O23", "O24"},
        "TestGroup::test_inside_r31": {"R30", "R31"},
        "TestMachine::runTest": {"R67", "R33", "O10"},
    }


def test_typescript_tests_name_ids_by_title_comment_and_group(scripts: dict[str, Any], tree: Path) -> None:
    found = {name: ids for name, ids in named(scripts, tree).items() if "test_" not in name and "Test" not in name}

    assert found == {
        "by title (R2)": {"R2"},
        "two lines above": {"R3", "R4"},
        'a group (R27) > with a ${kind} of quotes, "so"': {"R27", "O6"},
        "a group (R27) > R81 inside a body counts for itself": {"R27", "R81"},
        "a group (R27) > row %s of $name.first (R28)": {"R27", "R28"},
        "a group (R27) > typed": {"R27"},
    }


# Results


def test_results_of_all_parameters_count_and_a_failure_stands_for_all(scripts: dict[str, Any], tree: Path) -> None:
    results = scripts["requirement_results"].Results()
    results.read_junit(junit(
        tree,
        ("tests.room.test_a", "test_by_name_r2_and_o3[one[x]]", ""),
        ("tests.room.test_a", "test_by_name_r2_and_o3[two]", "<failure>assert</failure>"),
        ("tests.room.test_a", "test_of_a_range_r4_to_r6[one]", "<skipped/>"),
        ("tests.room.test_a", "test_of_a_range_r4_to_r6[two]", ""),
        ("tests.room.test_a", "test_later", "<error>setup</error>"),
        ("tests.room.test_a.TestGroup", "test_inside_r31", "<skipped/>"),
        ("tests.other.TestMachine", "runTest", ""),
    ))  # fmt: skip
    verdicts = {test.name: results.of(test).value for test in scripts["requirement_tests"].collect(tree)}

    assert {name: verdict for name, verdict in verdicts.items() if "est_" in name or "Test" in name} == {
        "test_by_name_r2_and_o3": "failed",
        "test_of_a_range_r4_to_r6": "passed",
        "test_later": "failed",
        "TestGroup::test_inside_r31": "skipped",
        "TestMachine::runTest": "not run",
    }


def test_titles_with_places_match_the_titles_they_become(scripts: dict[str, Any], tree: Path) -> None:
    results = scripts["requirement_results"].Results()
    path = vitest(tree, **{"by title (R2)": "passed", "two lines above": "failed"})
    report = json.loads(path.read_text())
    report["testResults"][0]["assertionResults"] += [
        {"ancestorTitles": ["a group (R27)"], "title": "row ( of Ada (R28)", "status": "passed"},
        {"ancestorTitles": ["a group (R27)"], "title": 'with a kind of quotes, "so"', "status": "pending"},
    ]
    path.write_text(json.dumps(report))
    results.read_vitest(path, tree)
    verdicts = {test.name: results.of(test).value for test in scripts["requirement_tests"].collect(tree)}

    assert verdicts["by title (R2)"] == "passed"
    assert verdicts["two lines above"] == "failed"
    assert verdicts["a group (R27) > row %s of $name.first (R28)"] == "passed"
    assert verdicts['a group (R27) > with a ${kind} of quotes, "so"'] == "skipped"
    assert verdicts["a group (R27) > typed"] == "not run"


# The table


@pytest.mark.parametrize(
    ("two", "three", "machine", "status", "said"),
    [
        ("", "passed", "", 1, "1 no test, 3 passed"),
        ("<failure/>", "passed", "", 1, "1 no test, 1 failed, 2 passed"),
        ("", "failed", "", 1, "1 no test, 1 failed, 2 passed"),
        ("", "passed", "<skipped/>", 1, "1 no test, 1 skipped, 2 passed"),
    ],
)
def test_the_table_says_what_became_of_each_id(
    scripts: dict[str, Any], tree: Path, capsys: pytest.CaptureFixture[str], two: str, three: str, machine: str,
    status: int, said: str,
) -> None:  # fmt: skip
    xml = junit(
        tree,
        ("tests.room.test_a", "test_by_name_r2_and_o3", two),
        ("tests.room.test_a.TestMachine", "runTest", machine),
    )
    js = vitest(tree, **{"by title (R2)": "passed", "two lines above": three})
    arguments = ["--root", str(tree), "--junit", str(xml), "--vitest", str(js), "--write"]

    assert scripts["requirements"].main(arguments) == status
    assert f"4 requirements: {said}" in " ".join(capsys.readouterr().out.split())
    page = (tree / "docs/requirements-table.md").read_text()
    assert "| R67 | Replay. | [`TestMachine::runTest`](../tests/room/test_a.py) |" in page
    assert "| O99 | Nobody shows it. |  | no test |" in page


def test_it_ends_with_0_when_every_id_has_a_test_that_passed(scripts: dict[str, Any], tree: Path) -> None:
    """Without results a test for each id is enough; with them each must have run."""
    (tree / "docs/requirements.md").write_text("| R30 | Thirty. | So. |\n| R31 | And one. | So. |\n")
    (tree / "tests/room/test_a.py").write_text("def test_one_r30(): ...\ndef test_both_r30_to_r31(): ...\n")
    (tree / "js/test/b.test.ts").unlink()
    main, root = scripts["requirements"].main, ["--root", str(tree)]
    one, both = ("tests.room.test_a", "test_one_r30", ""), ("tests.room.test_a", "test_both_r30_to_r31", "")

    assert main(root) == 0
    assert main([*root, "--junit", str(junit(tree, one))]) == 1
    assert main([*root, "--junit", str(junit(tree, one, both))]) == 0
    skipped = (*one[:2], "<skipped/>")
    assert main([*root, "--junit", str(junit(tree, skipped, both))]) == 0


def test_gaps_and_ids_that_do_not_exist_are_told(
    scripts: dict[str, Any], tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scripts["requirements"].main(["--root", str(tree), "--gaps"]) == 1
    told = capsys.readouterr().out

    assert "O99" in told
    assert "R67" not in told
    assert "R49 is no requirement, but named by tests/room/test_a.py::test_later" in told


@pytest.mark.parametrize("text", ["<testsuites>", "", "| R1 |"])
def test_files_that_cannot_be_read_are_named(
    scripts: dict[str, Any], tree: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tree / "broken.xml").write_text(text)

    assert scripts["requirements"].main(["--root", str(tree), "--junit", str(tree / "broken.xml")]) == 2
    assert "broken.xml" in capsys.readouterr().err.replace("\n", "")


# What is written down here


def test_the_catalogue_has_every_id_once_with_a_rule_and_a_check_r88(scripts: dict[str, Any]) -> None:
    rows = scripts["requirements"].catalogue(ROOT)
    text = (ROOT / "docs/requirements.md").read_text("utf-8")

    assert [row.id for row in rows] == [f"R{n}" for n in range(1, 90)] + [f"O{n}" for n in range(1, 38)]
    assert all(row.rule.endswith(".") and row.check.endswith(".") for row in rows)
    assert not re.search(r"\.ts\b|push-orchestrator|ssePushAdapter|browser/", text), "a path of another project"


def test_tests_name_no_id_that_does_not_exist_r88(scripts: dict[str, Any]) -> None:
    rows = scripts["requirements"].catalogue(ROOT)

    assert scripts["requirements"].strangers(rows, scripts["requirement_tests"].collect(ROOT)) == {}


def test_every_threat_of_the_security_page_names_tests_that_exist_r88(scripts: dict[str, Any]) -> None:
    """What is claimed there is claimed of single tests of the suite, and of files that are there."""
    module = scripts["requirement_tests"]
    tests = module.every(ROOT)
    rows = re.findall(r"^\| (T\d+) .*\|(.*)\|$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE)

    assert [threat for threat, _ in rows] == [f"T{number}" for number in range(1, 8)]
    for threat, shown in rows:
        named = re.findall(r"`([^`]+)`", shown)
        assert any("::" in node for node in named), threat
        for node in named:
            if node.startswith("vectors/"):
                assert (ROOT / node).is_file(), node
            else:
                assert "::" in node, f"{threat}: a file claims too much: {node}"
                assert module.meant(node, tests)


def test_a_test_that_is_not_there_is_told_r88(scripts: dict[str, Any], tree: Path) -> None:
    module = scripts["requirement_tests"]
    tests = module.every(tree)

    assert [test.name for test in module.meant("tests/room/test_a.py::test_later", tests)] == ["test_later"]
    assert len(module.meant("tests/room/test_a.py", tests)) == 5
    for node in ("tests/room/test_a.py::test_late", "tests/room/test_b.py", "tests/room/test_a.py::helper_r80"):
        with pytest.raises(ValueError, match=node):
            module.meant(node, tests)


def test_every_test_that_a_row_of_the_standards_names_exists_r88(scripts: dict[str, Any]) -> None:
    tests = scripts["requirement_tests"].every(ROOT)
    nodes = [node for each in scripts["compliance"].read_rows() for control in each.controls for node in control.nodes]

    assert nodes
    for node in nodes:
        assert scripts["requirement_tests"].meant(node, tests)


def test_the_standards_are_there_in_full_r88(scripts: dict[str, Any]) -> None:
    """Ten risks, the 22 categories of CSF 2.0, the 33 common criteria, the chosen ASVS controls; ids that exist."""
    frameworks = {each.name.partition(":")[0].partition(" (")[0]: each for each in scripts["compliance"].read_rows()}
    known = {row.id for row in scripts["requirements"].catalogue(ROOT)}
    names = {name: [control.name for control in each.controls] for name, each in frameworks.items()}

    assert names["OWASP Top 10"] == [f"A{number:02}" for number in range(1, 11)]
    assert len(names["OWASP ASVS 5.0"]) == 123
    assert len(names["NIST Cybersecurity Framework 2.0"]) == 22
    assert sum(map(_criteria, names["SOC 2 common criteria"])) == 33
    for framework in frameworks.values():
        for control in framework.controls:
            assert set(control.ids) <= known, control.name
            assert control.gist, control.name
            assert control.does.endswith("."), control.name
            assert not (control.ids and control.does.startswith(("Not yet:", "Operator.")))


def _criteria(name: str) -> int:
    """How many criteria a row holds: ``CC1.1-CC1.5`` is five, ``CC6.4-CC6.5`` two."""
    first, _, last = name.partition("-")
    return int((last or first).rpartition(".")[2]) - int(first.rpartition(".")[2]) + 1


def test_a_row_of_the_standards_claims_only_what_passed_r88(scripts: dict[str, Any], tree: Path) -> None:
    """One id of two shown is partly; none is not shown, whatever the sentence says."""
    module, table = scripts["compliance"], scripts["requirements"]
    results = scripts["requirement_results"].Results()
    results.read_junit(junit(tree, ("tests.room.test_a.TestMachine", "runTest", "")))
    shown = module.passing(table.trace(table.catalogue(tree), scripts["requirement_tests"].collect(tree), results))

    def said(*ids: str) -> str:
        return str(module.result(module.Control("A", "gist", "Does it.", ids), shown))

    assert said("R67") == "shown"
    assert said("R67", "R2") == "partly: not R2"
    assert (said("R2", "O99"), said()) == ("not shown", "not shown")
    machine, other = "tests/room/test_a.py::TestMachine::runTest", "tests/room/test_a.py::test_later"
    rows = (module.Control("A", "g", "D.", ("R67",), (machine,)), module.Control("B", "g", "D.", ("R67",), (other,)))
    named = [module.Framework("F", "https://f", rows)]
    both = {**shown, **module.passing_nodes(named, scripts["requirement_tests"].every(tree), results)}
    assert [module.result(row, both) for row in rows] == ["shown", f"partly: not {other}"]
    assert module.evidence(rows[0], both) == "R67<br>[`TestMachine::runTest`](../tests/room/test_a.py)"
    page = module.markdown(
        [module.Framework("F", "https://f", (module.Control("A", "g", "D.", ("R67", "O99")),))], shown
    )
    assert "| R67: [`TestMachine::runTest`](../tests/room/test_a.py)<br>O99 | partly: not O99 |" in page
