"""The process in which atheris runs one target: its first argument, the others are libFuzzer's."""

from __future__ import annotations

import logging
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["biogate", "biogate_adapters", "biogate_security"]):
    from attack.fuzz.targets import TARGETS


def main(arguments: list[str]) -> None:
    logging.disable()
    target = TARGETS[arguments[1]]
    fuzzer: Any = atheris
    fuzzer.Setup([arguments[0], *arguments[2:]], target)
    fuzzer.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
