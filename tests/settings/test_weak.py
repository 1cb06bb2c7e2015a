"""Which secrets can be guessed though they are long enough, to the byte (R23, R73; RFC 8725 §3.5)."""

import base64
import hashlib
from collections.abc import Sequence
from itertools import accumulate, cycle, islice

import pytest

from jitterbug.settings.weak import is_repetitive, weakness

REPEATS = "repeats itself and can be guessed"
SAMPLE = "is a sample from documentation, or made of its words"


def strong(length: int) -> bytes:
    """Bytes as a generator makes them, the same in every run."""
    return hashlib.shake_256(b"nobody's secret").digest(length)


def in_steps(steps: Sequence[int], length: int) -> bytes:
    """Bytes of which each is the one before and the next step, over and over."""
    return bytes(value % 256 for value in accumulate(islice(cycle(steps), length - 1), initial=7))


@pytest.mark.parametrize("least_bytes", [24, 32, 64])
def test_length_is_judged_first_and_to_the_byte(least_bytes: int) -> None:
    assert weakness(strong(least_bytes - 1), least_bytes) == f"has fewer than {least_bytes} bytes"
    assert weakness(strong(least_bytes), least_bytes) is None
    assert weakness(b"", least_bytes) == f"has fewer than {least_bytes} bytes"
    assert weakness(b"changeme", least_bytes) == f"has fewer than {least_bytes} bytes"


@pytest.mark.parametrize("length", range(32, 66))
def test_a_generators_bytes_pass_whatever_their_length(length: int) -> None:
    """R73: also when the last of them is like the first, which is no repetition."""
    assert weakness(strong(length), 32) is None
    assert weakness(strong(length - 1) + strong(1), 32) is None


def test_seven_different_bytes_repeat_and_eight_do_not() -> None:
    order = [value % 8 for value in strong(48)]
    eight = bytes(strong(100)[10 + value] for value in order)
    seven = bytes(strong(100)[10 + min(value, 6)] for value in order)
    assert (len(set(eight)), len(set(seven))) == (8, 7)

    assert not is_repetitive(eight)
    assert is_repetitive(seven)


def test_seven_different_steps_repeat_and_eight_do_not() -> None:
    """Bytes that all differ, and yet anybody could go on with them: a step counts past 255 as below."""
    seven, eight = ([3, 250, 90, 17, 201, 44, 131, 66][:count] for count in (7, 8))
    for length in (40, 64):
        order = strong(length)
        assert is_repetitive(in_steps([seven[value % 7] for value in order], length))
        assert not is_repetitive(in_steps([eight[value % 8] for value in order], length))


@pytest.mark.parametrize("step", [1, 2, 5, 7, 85, 100, 127, 129, 255])
def test_an_even_count_repeats(step: int) -> None:
    assert is_repetitive(in_steps([step], 32))


@pytest.mark.parametrize("unit", range(8, 65))
def test_a_unit_of_up_to_64_bytes_that_comes_twice_repeats(unit: int) -> None:
    """And so it does when it is cut off the third time; not when it is cut off the second."""
    assert is_repetitive(strong(unit) * 2)
    assert is_repetitive((strong(unit) * 3)[: 2 * unit + unit // 2])
    assert not is_repetitive((strong(unit) * 2)[:-1])
    assert not is_repetitive((strong(unit) * 2)[:-2])


def test_a_longer_unit_is_not_looked_for() -> None:
    """The bound on the time: whoever repeats 65 random bytes has 65 random bytes."""
    assert not is_repetitive(strong(65) * 3)


def test_a_pattern_is_seen_through_hexadecimal_and_base64_from_16_bytes_on() -> None:
    """R73: fewer bytes cannot be told from chance, and so the text alone is judged."""
    for length, verdict in ((16, REPEATS), (17, REPEATS), (15, None)):
        pattern = in_steps([7], length)
        assert weakness(pattern.hex().encode(), 20) == verdict
        assert weakness(base64.b64encode(pattern), 20) == verdict


def test_a_text_that_is_no_other_form_is_judged_as_it_is() -> None:
    for text in (b"no base64, no hexadecimal: velvet lanterns", strong(40).hex().encode() + b"0", b"\xff" + strong(40)):
        assert weakness(text, 32) is None


def test_a_sample_is_told_in_every_form_and_by_its_letters_alone() -> None:
    """R73, RFC 8725 §3.5: everybody knows them, capitals and signs between make them no better."""
    text = b"Your-256-Bit_Secret, change me before: 2024"
    for form in (b"my super secret key for testing 1234", text.replace(b"before", b"please")):
        for written in (form, base64.b64encode(form), form.hex().encode()):
            assert weakness(written, 32) == SAMPLE
    assert weakness(text, 32) is None, "a word that no sample has"


@pytest.mark.parametrize("high", [0, 128], ids=["ASCII", "not ASCII"])
def test_what_cannot_be_printed_is_no_sample_whatever_letters_it_holds(high: int) -> None:
    """R73: a generator may well make six letters that spell a word; a sample is a text."""
    signs = bytes(value + high for value in (0, 9, 31, 4, 12, 17, 2, 28, 11, 25, 6, 22, 1, 19, 30, 8, 3, 14))

    assert weakness(b"secret" + signs, 24) is None
    assert weakness(b"secret" + b"\x7f" + b"!\"#$%&'()*+,-./<=", 24) is None
    assert weakness(b"secret" + b"_" + b"!\"#$%&'()*+,-./<=", 24) == SAMPLE


def test_of_a_long_text_the_first_128_characters_are_judged() -> None:
    """The bound on the time: words of samples in all of them, and what comes after makes it no better."""
    start = b"please-change-me-in-production-do-not-use-the-example-key-for-testing-with-your-very-long-random-string"
    start += b"-top-secret".rjust(128 - len(start), b"-")

    for after in (b"", b"zebra", strong(40).hex().encode()):
        assert weakness(start + after, 32) == SAMPLE
    assert weakness(start[:-1] + b"zebra", 32) is None, "the 128th is looked at"
    assert weakness(start[:-1] + b"!", 32) is None, "half a word is none"
