"""Plants for the tests of the kinetics."""

from __future__ import annotations

import pytest

from biogate.kinetics.anane2017 import FedBatchPlant
from biogate.kinetics.bench import NO_FEED, NO_PH_LOOP, Equipment, Start


@pytest.fixture
def plant() -> FedBatchPlant:
    """The plant as the demo runs it."""
    return FedBatchPlant()


@pytest.fixture
def reference_batch() -> FedBatchPlant:
    """The authors' batch: fixed kLa, no feed, and a buffer so strong that pH plays no part."""
    return FedBatchPlant(
        start=Start(biomass_g_per_l=0.17, glucose_g_per_l=4.94, phosphate_mmol_per_l=1e6),
        equipment=Equipment(kla_per_h=220.0),
        feed_programme=NO_FEED,
        ph_loop=NO_PH_LOOP,
    )
