"""Whatever the client tells has a stable code and says what to do about it (issue 4, point 6)."""

import re
from pathlib import Path

import pytest

import jitterbug.client
from jitterbug.client import Gap, Paced, Position, Unsubscribed, refusals, resume
from jitterbug.client.notices import Notice
from jitterbug.errors import JitterbugError
from jitterbug.protocol.codes import ByeReason, GapReason
from jitterbug.protocol.remedies import REMEDIES

SOURCES = Path(jitterbug.client.__file__).parent
ERRORS = sorted(
    (kind for kind in vars(refusals).values() if isinstance(kind, type) and issubclass(kind, JitterbugError)),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind is not JitterbugError])
def test_every_error_of_the_client_has_a_code_of_its_own_and_a_remedy(kind: type[JitterbugError]) -> None:
    assert re.fullmatch(r"JB_[A-Z_]+", kind.code)
    assert re.fullmatch(r"[A-Z].*\.", kind.remedy)
    assert [other for other in ERRORS if other.code == kind.code] == [kind]


def test_every_code_the_client_names_has_a_remedy() -> None:
    """Of an error, or in the table; and the table has none that nothing uses."""
    named = {code for path in SOURCES.glob("*.py") for code in re.findall(r'"(JB_[A-Z_]+)"', path.read_text())}
    of_errors = {kind.code for kind in ERRORS}
    gaps = {Gap("a", Position("e", 1), reason.value).code for reason in GapReason}
    assert named - of_errors - {"JB_RATE_LIMITED"} == REMEDIES.keys() - gaps - {"JB_RATE_LIMITED"}
    assert gaps <= REMEDIES.keys()


@pytest.mark.parametrize("reason", ByeReason)
def test_every_end_that_the_hub_names_has_a_remedy(reason: ByeReason) -> None:
    step = resume.after_bye({"reason": reason.value, "retry": 1}, 0)
    assert (step.error.remedy if step.error is not None else REMEDIES[step.code]).endswith(".")


@pytest.mark.parametrize("notice", [Gap("a", Position("e", 1), "expired"), Paced(1), Unsubscribed("a", "unauthorized")])
def test_notices_of_trouble_carry_both(notice: Notice) -> None:
    assert isinstance(notice, Gap | Paced | Unsubscribed)
    assert notice.remedy == REMEDIES[notice.code]
