"""A console that leaves lines as they are."""

from rich.console import Console


class Terminal(Console):
    """Colours terminals only, honours NO_COLOR, and never breaks or decorates a line by itself."""

    def __init__(self, *, stderr: bool) -> None:
        """Args: stderr: write to standard error."""
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Leave it to the command what a reader means that has gone."""
        raise BrokenPipeError
