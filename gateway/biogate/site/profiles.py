"""Where the checks learn what a device profile offers: a seam, so that tests need no real ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from biogate.site.model import DeviceConfig
from biogate.site.shapes import PROFILE_FILE_SUFFIXES
from biogate_adapters.profile import Profile, available_profiles, load_profile, load_profile_file


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
        return available_profiles()

    def load(self, name: str) -> Profile:
        """A profile by name or file. Raises ValueError or OSError."""
        if name.endswith(PROFILE_FILE_SUFFIXES):
            return load_profile_file(Path(name))
        return load_profile(name)


def set_up_profile(profile: Profile, config: DeviceConfig) -> Profile:
    """The profile as this device is set up: units and ranges of `signals:` in the site file."""
    return profile.with_signals(
        {
            name: {key: value for key, value in _changes(config, name) if value is not None}
            for name in config.signals
        }
    )


def _changes(config: DeviceConfig, name: str) -> list[tuple[str, object]]:
    own = config.signals[name]
    low, high = own.range or (None, None)
    write_low, write_high = own.write_range or (None, None)
    return [
        ("unit", own.unit),
        ("low", low),
        ("high", high),
        ("write_low", write_low),
        ("write_high", write_high),
    ]
