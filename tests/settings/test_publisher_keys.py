"""Keys of back ends with their channels: read strictly, refused by name, never shown (PROTOCOL §6, R48, R73)."""

import base64

import pytest

from jitterbug.config import Config, PublisherKey, Secret
from jitterbug.errors import SettingError
from tests.settings.reading import read, refusal
from tests.settings.test_root_keys import GOOD, OTHER, ROOT

NAME = "JITTERBUG_PUBLISHER_KEYS"


def test_they_arrive_with_their_channels() -> None:
    text = f"warehouse:{OTHER}:stock/*|orders/**, news_desk:{GOOD}:news"
    keys = read({**ROOT, NAME: text}).config.publisher_keys

    assert {kid: (key.secret.reveal(), key.channels) for kid, key in keys.items()} == {
        "warehouse": (base64.b64decode(OTHER), ("stock/*", "orders/**")),
        "news_desk": (base64.b64decode(GOOD), ("news",)),
    }


@pytest.mark.parametrize(
    "text",
    [
        "warehouse", f"warehouse:{OTHER}", f"warehouse:{OTHER}:", f"warehouse:{OTHER}:a|", f"warehouse:{OTHER}:a b",
        f"warehouse:{OTHER}:a:b", f"warehouse::{OTHER}", f":{OTHER}:a", f"w:{OTHER}:a", "warehouse:AAAA:a",
        f"warehouse:{OTHER}:a,", f"warehouse:{OTHER}:a,warehouse:{OTHER}:b", f"root_one:{OTHER}:a",
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_and_not_repeated(text: str) -> None:
    error = refusal({**ROOT, NAME: text})
    assert error.setting == NAME
    assert OTHER not in str(error)


def test_a_previous_root_keys_name_is_taken() -> None:
    environ = {**ROOT, "HMAC_PREVIOUS_KEYS": f"root_zero:{OTHER}", NAME: f"root_zero:{GOOD}:a"}
    assert refusal(environ).setting == NAME


def test_a_key_without_channels_is_refused_in_code_too() -> None:
    with pytest.raises(SettingError, match="names no channels"):
        Config(publisher_keys={"warehouse": PublisherKey(Secret(bytes(32)), ())})


def test_nothing_shows_the_secret() -> None:
    shown = repr(read({**ROOT, NAME: f"warehouse:{OTHER}:a"}))
    assert OTHER not in shown
    assert repr(base64.b64decode(OTHER)) not in shown
