"""What can be wrong with a run as a whole."""

from __future__ import annotations


class ProveError(Exception):
    """Nothing can be proven or written; the message says why and what to do."""


class RehearsalError(ProveError):
    """The gateway could not be started; the message holds what it said."""


class SiteWithoutZonesError(ProveError):
    """The site file has no zones."""


class EvidenceError(ProveError):
    """A file that is no evidence of the prover."""


class SbomError(ProveError):
    """The bill of materials cannot be written."""
