"""The fed-batch E. coli fermenter (`fed_batch`, Anane 2017) as a plant behind simulated devices.

The equations are integrated ahead of time by a variable-step stiff solver, and `advance` only
moves on along its dense output: the trajectory does not depend on how often it is asked, and
asking is cheap at any speed-up. A write starts a new integration at its own moment, and so does
the start of the feed, because no step may run across a jump.
BDF, not LSODA: LSODA keeps its state in globals in older scipy, so two plants would clash.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import BDF  # type: ignore[import-untyped]

from biogate.kinetics.bench import (
    BASE,
    EQUIPMENT,
    FEED,
    FEED_PROGRAMME,
    PH_LOOP,
    START,
    Bottle,
    Equipment,
    FeedProgramme,
    PhLoop,
    Start,
)
from biogate.kinetics.culture import SET_A, Parameters
from biogate.kinetics.fed_batch import TOLERANCES, Broth, FedBatch, Setpoints

_LONGEST_STEP_H = 0.25
_RELATIVE_TOLERANCE = 1e-7
_ACTUATORS = {
    "stirrer_speed_setpoint_rpm": "stirrer_rpm",
    "temperature_setpoint_degc": "temperature_degc",
    "gas_flow_setpoint_l_per_min": "gas_flow_l_per_min",
    "feed_rate_setpoint_ml_per_h": "feed_ml_per_h",
    "base_rate_setpoint_ml_per_h": "base_ml_per_h",
}


class PlantError(RuntimeError):
    """The model cannot be integrated any further; the message says from where."""


class FedBatchPlant:
    """One fermenter as its instruments see it (the `Plant` protocol of biogate_adapters).

    `feed_programme` and `ph_loop` are the reactor controller's own automatics; each gives way to
    the first write of its pump's set-point. Set-points beyond a drive's range are kept as
    written, the drive stops at its limit.
    """

    def __init__(
        self,
        *,
        start: Start = START,
        equipment: Equipment = EQUIPMENT,
        feed: Bottle = FEED,
        base: Bottle = BASE,
        feed_programme: FeedProgramme = FEED_PROGRAMME,
        ph_loop: PhLoop = PH_LOOP,
        parameters: Parameters = SET_A,
    ) -> None:
        self._model = FedBatch(start, equipment, feed, base, feed_programme, ph_loop, parameters)
        self._setpoints = Setpoints(
            start.stirrer_rpm, start.temperature_degc, start.gas_flow_l_per_min
        )
        self._time_s = 0.0
        self._broth = self._model.initial()
        self._solver: BDF | None = None
        self._dense: Callable[[float], NDArray[np.float64]] | None = None
        self._outputs = self._output_table()

    @property
    def time_s(self) -> float:
        """Plant time of the present outputs."""
        return self._time_s

    @property
    def broth(self) -> Broth:
        """What the vessel holds now, as no instrument would show it (for samples and tests)."""
        return self._broth

    def advance(self, to_s: float) -> None:
        """Bring the outputs to plant time `to_s`.

        Raises ValueError when that is in the past or not finite, PlantError when the solver
        gives up.
        """
        if not self._time_s <= to_s < math.inf:
            raise ValueError(f"plant time goes from {self._time_s} s onwards, not to {to_s} s")
        if to_s == self._time_s:
            return
        self._broth = self._look_up(to_s / 3600.0)
        self._time_s = to_s

    def quantities(self) -> frozenset[str]:
        """All quantities of `biogate_adapters.plant.QUANTITIES`."""
        return frozenset(self._outputs)

    def read(self, quantity: str) -> float:
        """The quantity's present value. Raises KeyError if unknown."""
        return float(self._outputs[quantity]())

    def actuators(self) -> frozenset[str]:
        """The five set-points."""
        return frozenset(_ACTUATORS)

    def write(self, actuator: str, value: float) -> None:
        """Set a set-point from now on. Raises KeyError if unknown, ValueError if not finite."""
        setpoint = _ACTUATORS[actuator]
        if not math.isfinite(value):
            raise ValueError(f"{actuator} must be a finite number, not {value}")
        setattr(self._setpoints, setpoint, value)
        self._solver = None

    def _look_up(self, time_h: float) -> Broth:
        """The state at `time_h`, integrating as far as needed; never looks back."""
        while self._solver is None or self._solver.t < time_h:
            if self._solver is None:
                self._solver = self._new_solver(self._time_s / 3600.0, self._broth)
            elif self._solver.status == "finished":
                self._solver = self._new_solver(self._solver.t, Broth(*self._solver.y.tolist()))
            self._step(self._solver)
        assert self._dense is not None
        return Broth(*self._dense(time_h).tolist())

    def _new_solver(self, time_h: float, broth: Broth) -> BDF:
        feed_start_h = self._model.feed_programme.start_h
        return BDF(
            lambda t, y: self._model.derivatives(t, Broth(*y.tolist()), self._setpoints),
            time_h,
            np.array(broth),
            t_bound=feed_start_h if time_h < feed_start_h else math.inf,
            max_step=_LONGEST_STEP_H,
            rtol=_RELATIVE_TOLERANCE,
            atol=np.array(TOLERANCES),
        )

    def _step(self, solver: BDF) -> None:
        message = solver.step()
        if solver.status == "failed" or not np.isfinite(solver.y).all():
            raise PlantError(
                f"the fed-batch model fails at {solver.t * 3600.0:.1f} s plant time "
                f"({message or 'not a number'}): {Broth(*solver.y.tolist())}, {self._setpoints}"
            )
        self._dense = solver.dense_output()

    def _output_table(self) -> dict[str, Callable[[], float]]:
        model, setpoints, equipment = self._model, self._setpoints, self._model.equipment
        return {
            "ph": lambda: model.ph(self._broth),
            "temperature_degc": lambda: self._broth.temperature,
            "do_percent_sat": lambda: max(self._broth.probe, 0.0),
            "jacket_temperature_degc": lambda: self._broth.jacket,
            "stirrer_speed_rpm": lambda: self._broth.stirrer,
            "gas_flow_l_per_min": lambda: self._broth.gas_flow,
            "gas_pressure_bar": lambda: equipment.gas_pressure_bar,
            "gas_temperature_degc": lambda: equipment.gas_temperature_degc,
            "feed_rate_ml_per_h": lambda: (
                1000.0 * model.feed_l_per_h(self._time_s / 3600.0, self._broth, setpoints)
            ),
            "base_rate_ml_per_h": lambda: (
                1000.0 * model.base_l_per_h(model.ph(self._broth), self._broth, setpoints)
            ),
            "vessel_weight_kg": lambda: model.vessel_weight_kg(self._broth),
            "feed_bottle_weight_kg": lambda: model.feed_weight_kg(self._broth),
            "stirrer_speed_setpoint_rpm": lambda: setpoints.stirrer_rpm,
            "temperature_setpoint_degc": lambda: setpoints.temperature_degc,
            "gas_flow_setpoint_l_per_min": lambda: setpoints.gas_flow_l_per_min,
            "feed_rate_setpoint_ml_per_h": lambda: model.feed_demand_ml_per_h(
                self._time_s / 3600.0, setpoints
            ),
            "base_rate_setpoint_ml_per_h": lambda: model.base_demand_ml_per_h(
                model.ph(self._broth), setpoints
            ),
        }
