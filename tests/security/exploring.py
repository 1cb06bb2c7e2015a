"""Breadth-first search over everything that can be done to a small world, equal states looked at once."""

import os
from collections.abc import Callable, Hashable, Iterable
from typing import Final, TypeVar

S = TypeVar("S")
A = TypeVar("A")

DEEPER: Final = int(os.environ.get("JITTERBUG_EXPLORE_DEEPER", "0"))
"""Actions beyond the ordinary depth, for a night."""


def explore(
    start: S,
    depth: int,
    actions: Callable[[S], Iterable[A]],
    act: Callable[[S, A], S],
    key: Callable[[S], Hashable],
) -> tuple[int, int]:
    """Do every action in every state that is reached within ``depth`` actions.

    Args:
        start: The first state. ``act`` must leave the state it is given as it was.
        depth: Longest sequence.
        actions: What can be done in a state.
        act: Does it, checks what must hold, returns the next state.
        key: Equal for states that behave alike from here on.

    Returns:
        How many different states were reached, and how many actions were done.
    """
    known = {key(start)}
    edge, done = [start], 0
    for _ in range(depth):
        beyond: list[S] = []
        for state in edge:
            for action in actions(state):
                following = act(state, action)
                done += 1
                name = key(following)
                if name not in known:
                    known.add(name)
                    beyond.append(following)
        edge = beyond
    return len(known), done
