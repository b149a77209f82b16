"""pymodbus's own log lines."""

import logging


def quiet_pymodbus() -> None:
    """Silence pymodbus, which logs every time-out and stray frame; we report failures once.

    A level that somebody set on its logger is respected.
    """
    logger = logging.getLogger("pymodbus.logging")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
