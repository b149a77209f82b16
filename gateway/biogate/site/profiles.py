"""Where the checks learn what a device profile offers: a seam, so that tests need no real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from biogate_adapters.contract import Signal


class Profile(Protocol):
    """What the site file needs to know of a profile."""

    @property
    def protocol(self) -> str:
        """The protocol engine: "modbus" or "line"."""
        ...

    @property
    def signals(self) -> Sequence[Signal]:
        """The device's signals."""
        ...


class ProfileCatalogue(Protocol):
    """The profiles that are installed, and profile files."""

    def names(self) -> Sequence[str]:
        """Names of the installed profiles, `vendor/model`."""
        ...

    def load(self, name: str) -> Profile:
        """A profile by name, or by file where the name ends in .yaml.

        Raises ValueError (its text says what is wrong where) or OSError.
        """
        ...


class InstalledProfiles:
    """The profiles that come with biogate_adapters, and profile files."""

    def names(self) -> Sequence[str]:
        """Names of the installed profiles, `vendor/model`."""
        from biogate_adapters.profile import available_profiles

        return available_profiles()

    def load(self, name: str) -> Profile:
        """A profile by name or file. Raises ValueError or OSError."""
        from biogate_adapters.profile import load_profile, load_profile_file

        if name.endswith((".yaml", ".yml")):
            return load_profile_file(name)
        return load_profile(name)
