"""Device simulators, driven by the same profiles as the adapters but by none of their code."""

from biogate_adapters.simulators.device import SimulatedDevice
from biogate_adapters.simulators.faults import Faults

__all__ = ["Faults", "SimulatedDevice"]
