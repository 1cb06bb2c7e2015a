"""The numbers both ends of a connection take for granted (PROTOCOL §4): neither side sends them unless they differ."""

from jitterbug.protocol import codes


def test_the_protocol_is_version_1() -> None:
    assert codes.PROTOCOL_VERSION == 1


def test_a_heartbeat_that_hello_does_not_name_comes_every_15_seconds() -> None:
    assert codes.USUAL_HEARTBEAT_S == 15


def test_frames_nest_up_to_32_and_integers_go_up_to_2_53_less_1() -> None:
    assert (codes.MAX_DEPTH, codes.MAX_SAFE_INTEGER) == (32, 9_007_199_254_740_991)
