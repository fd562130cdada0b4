"""Storms: faults, lost answers and kills at random, and afterwards everything is told once and the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from counts import wrongs
from storms import Storm

SHORT, LONG = range(5), range(100, 130)


@pytest.mark.parametrize("seed", SHORT)
def test_after_a_storm_everything_is_told_once_and_the_same_everywhere(seed: int, tmp_path: Path) -> None:
    storm = Storm(tmp_path, seed, seconds=3, rate=10)
    storm.run()
    assert storm.accepted
    assert storm.kills
    assert wrongs(storm) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG)
def test_after_a_longer_storm_too(seed: int, tmp_path: Path) -> None:
    storm = Storm(tmp_path, seed, seconds=12, rate=15)
    storm.run()
    assert wrongs(storm) == []
