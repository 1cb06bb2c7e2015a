"""``docs/openapi.yaml`` as schemathesis and JSON Schema read it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import schemathesis
import yaml
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.security import openapi_checks
from tests.security.openapi_hubs import Hub

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
DESCRIBED: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
VALIDATORS = {
    name: jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **DESCRIBED})
    for name in DESCRIBED["components"]["schemas"]
}
_WITH_NUMBERS = {"POST /frames", "POST /publish", "POST /stream"}
_CONFIG = {
    # Logins are those of the hub: a made-up cookie would never get further than 401.
    "generation": {"with-security-parameters": False},
    "max-stream-events": 2,
    "checks": {
        "negative_data_rejection": {"expected-statuses": ["400", "401", "405", "413", "415", "429"]},
        # The document cannot say how large a body is, and no generated request has a key.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "413", "429"]},
    },
}
schema = schemathesis.openapi.from_path(DOCUMENT, config=schemathesis.Config.from_dict(_CONFIG))


def documented(name: str, value: Any) -> Any:
    """Hold a value against a schema of the document; returns it. Raises jsonschema_rs.ValidationError."""
    VALIDATORS[name].validate(value)
    return value


def ask(case: schemathesis.Case, hub: Hub, *, may_echo: bool = False, **options: Any) -> schemathesis.Response:
    """Send a case and hold the answer against the document and the own checks.

    Args:
        case: What to ask.
        hub: Whom.
        may_echo: The answer names what was sent, as the outcome of a frame does.
        options: Cookies and headers beside those of the case.
    """
    return case.call_and_validate(
        base_url=hub.base,
        session=hub.http,
        verify=hub.verify,
        additional_checks=openapi_checks.ALWAYS if may_echo else openapi_checks.OWN,
        excluded_checks=list(_without_a_word(case)),
        **options,
    )


def _without_a_word(case: schemathesis.Case) -> Iterator[CheckFunction]:
    """Checks that ask more of a schema than JSON Schema can say."""
    if case.operation.label in _WITH_NUMBERS:
        # The hub tells 41 from 41.0 and refuses what a double would change: 400 where the schema sees nothing wrong.
        yield positive_data_acceptance
    if isinstance(case.body, bytes) and not case.body.strip():
        # White space alone is no body, where none is required.
        yield negative_data_rejection
