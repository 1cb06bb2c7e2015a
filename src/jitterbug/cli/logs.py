"""Log lines on standard error: for people in a terminal, one JSON object a line for machines."""

import logging
import sys

import structlog


def set_up(*, as_json: bool, level: int = logging.INFO) -> None:
    """Send all logging through one formatter.

    Args:
        as_json: JSON instead of text.
        level: Least level that is written.
    """
    stamps: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=stamps,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # uvicorn tells at INFO what the start panel tells better.
    logging.getLogger("uvicorn.error").setLevel(max(level, logging.WARNING))
    # The HTTP client tells whole URLs at INFO, and a webhook's may hold a secret.
    logging.getLogger("httpx2").setLevel(max(level, logging.WARNING))
