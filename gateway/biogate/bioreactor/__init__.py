"""The site in the address space: LADS devices and functions, and every device's signals."""

from biogate.bioreactor.build import BuiltSpace, build_address_space
from biogate.builder import software_revision

__all__ = ["BuiltSpace", "build_address_space", "software_revision"]
