"""How long to wait after a fault."""

from __future__ import annotations

import random

SPREAD = 0.2


def pause(attempts: int, *, first: float, most: float, asked: float | None = None) -> float:
    """Seconds until the next try: `first` × 2ⁿ up to `most`, ± 20 %, and never less than the other side asked for."""
    grown = min(most, first * 2 ** min(max(attempts - 1, 0), 30))
    # Spread, so that what failed together does not come back together.
    spread = grown * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311  # no secret hangs on it
    return max(spread, asked or 0.0)
