"""`python -m attack.fuzz TARGET --seconds N`: look for bytes that break an invariant (atheris).

Exit code 0: none found in that time; 1: one was found, which lies in the folder of crashes now and
is a test from now on; 3: atheris is not installed here.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from attack.fuzz.seeds import seeds

CRASHES = Path(__file__).with_name("crashes")
_TARGETS = ("decoder", "channel", "session", "site")
_GRACE_S = 60
FOUND, MISSING = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if find_spec("atheris") is None:
        print("atheris is not installed here: pip install -e '.[dev]' where it is offered")
        return MISSING
    with tempfile.TemporaryDirectory(prefix="biogate-fuzz-") as temporary:
        corpus = options.corpus or Path(temporary)
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()[options.target]):
            (corpus / f"seed-{number:03}").write_bytes(seed)
        return _fuzz(options.target, options.seconds, corpus, options.crashes / options.target)


def _fuzz(target: str, seconds: int, corpus: Path, crashes: Path) -> int:
    """libFuzzer ends the process that it runs in, so it has one of its own."""
    crashes.mkdir(parents=True, exist_ok=True)
    known = set(crashes.iterdir())
    command = [sys.executable, "-m", "attack.fuzz.worker", target]
    command += [f"-max_total_time={seconds}", "-max_len=8192", "-rss_limit_mb=2048", "-timeout=20"]
    command += ["-print_final_stats=1", f"-artifact_prefix={crashes}/", str(corpus)]
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=seconds + _GRACE_S
    )
    found = sorted(set(crashes.iterdir()) - known)
    if not any(crashes.iterdir()):
        crashes.rmdir()
    if ended.returncode == 0 and not found:
        print(f"{target}: nothing in {seconds} s; {_number_of_runs(ended.stderr)} runs")
        return 0
    print(ended.stderr[-4000:])
    print(f"{target}: broken by {', '.join(map(str, found)) or 'an unknown input'}")
    return FOUND


def _number_of_runs(said: str) -> str:
    lines = (line.split() for line in said.splitlines())
    return next(
        (words[1] for words in lines if words[:1] == ["stat::number_of_executed_units:"]), "?"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m attack.fuzz", description=__doc__)
    parser.add_argument("target", choices=_TARGETS)
    parser.add_argument("--seconds", type=int, default=60, help="how long to look")
    parser.add_argument("--corpus", type=Path, help="folder that keeps what was interesting")
    parser.add_argument("--crashes", type=Path, default=CRASHES, help="folder for what breaks")
    return parser


if __name__ == "__main__":
    logging.disable()
    sys.exit(main())
