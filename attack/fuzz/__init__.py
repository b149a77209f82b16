"""Fuzzing: what must hold for any bytes at all, and what looks for bytes for which it does not.

`targets` are functions of bytes that raise when an invariant is broken. `python -m attack.fuzz`
drives them by coverage (atheris); the tests drive them by hypothesis, and replay `crashes`.
"""
