"""The log of a zone's process: each line goes to the core, which logs it as one of its own."""

from __future__ import annotations

import logging

from biogate.logs import context_of
from biogate.zones.link import Link
from biogate.zones.messages import LogLine

_MOST_CHARACTERS = 4000
_MOST_CONTEXT = 32
_CHATTY = ("asyncio", "asyncua")


class LogHandler(logging.Handler):
    """Sends log records over a link; none where it is congested."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    @classmethod
    def install(cls, link: Link) -> None:
        """Send all of this process's log from INFO on."""
        root = logging.getLogger()
        root.setLevel(logging.INFO)
        root.handlers[:] = [cls(link)]
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.captureWarnings(capture=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line, its traceback in the text."""
        if self._link.congested:
            return
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        context = list(context_of(record).items())[:_MOST_CONTEXT]
        level = min(max(record.levelno, 0), logging.CRITICAL)
        shown = {_text(name, 256): _text(str(value), _MOST_CHARACTERS) for name, value in context}
        name = _text(record.name, 256)
        self._link.send(LogLine(level, name, _text(text, _MOST_CHARACTERS), shown))


def _text(text: str, most: int) -> str:
    """What a message can carry of a text, which may have come from a file's name."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:most]
