"""pH of a phosphate-buffered broth from its strong-ion difference.

Charge balance, in mmol/L: SID + H = OH + P (1 + fraction of HPO4) + acetate that is ionised.
SID (strong cations less strong anions, ammonium among the cations) is linear in what the cells
and the base pump do; pH follows from it. Assumed, not fitted: phosphate 50 mmol/L and apparent
pK 6.8 (phosphate), 4.76 (acetate), no carbonate system, no other buffer, no effect of salts.
"""

from __future__ import annotations

from dataclasses import dataclass

_PK_PHOSPHATE = 6.8
_PK_ACETATE = 4.76
_PK_WATER = 14.0
_ACETATE_G_PER_MOL = 60.05
_LOWEST, _HIGHEST = 0.0, 14.0
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Buffer:
    """What holds the broth's pH besides its strong ions."""

    phosphate_mmol_per_l: float
    acetate_g_per_l: float = 0.0

    def anions(self, ph: float) -> float:
        """Negative less hydrogen charge at `ph`, in mmol/L: the SID that belongs to this pH."""
        acetate = max(self.acetate_g_per_l, 0.0) / _ACETATE_G_PER_MOL * 1000.0
        return float(
            1000.0 * (10.0 ** (ph - _PK_WATER) - 10.0**-ph)
            + self.phosphate_mmol_per_l * (1.0 + _ionised(ph, _PK_PHOSPHATE))
            + acetate * _ionised(ph, _PK_ACETATE)
        )

    def ph(self, strong_ion_difference_mmol_per_l: float) -> float:
        """The pH at this SID (0 to 14; bisection, to 1e-11): `anions` rises with pH."""
        low, high = _LOWEST, _HIGHEST
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if self.anions(middle) < strong_ion_difference_mmol_per_l:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)


def _ionised(ph: float, pk: float) -> float:
    return float(1.0 / (1.0 + 10.0 ** (pk - ph)))
