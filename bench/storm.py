"""Storm after storm, each with its own seed, counted afterwards: `make storm SEEDS=200` or `make storm MINUTES=60`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from counts import told, wrongs
from storms import Storm

FIRST = 1000


def one(seed: int, seconds: float, rate: float) -> tuple[dict[str, float], list[str]]:
    """A storm's figures, and what was wrong after it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pipesleuth-storm-", ignore_cleanup_errors=True) as folder:
        storm = Storm(Path(folder), seed, seconds=seconds, rate=rate)
        try:
            storm.run()
            wrong = wrongs(storm)
            figures: dict[str, float] = json.loads(told(storm))
        except AssertionError as error:
            wrong, figures = [f"seed {seed}: {error}"], {}
    figures["seconds"] = time.monotonic() - began
    return figures, wrong


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", "0")), help="how many storms")
    options.add_argument("--minutes", type=float, default=float(os.environ.get("MINUTES", "0")), help="how long")
    options.add_argument("--first", type=int, default=int(os.environ.get("FIRST", str(FIRST))), help="the first seed")
    options.add_argument("--seconds", type=float, default=12.0, help="how long one storm blows")
    options.add_argument("--rate", type=float, default=15.0, help="failures a second")
    given = options.parse_args()
    seeds = given.seeds or (10**9 if given.minutes else 10)
    until = time.monotonic() + given.minutes * 60 if given.minutes else float("inf")
    sums: Counter[str] = Counter()
    bad: list[str] = []
    for number in range(seeds):
        if time.monotonic() >= until:
            break
        figures, wrong = one(given.first + number, given.seconds, given.rate)
        sums.update({"storms": 1, **figures})
        bad += [f"seed {given.first + number}: {text}" for text in wrong]
        shown = " ".join(f"{name} {value:.0f}" for name, value in figures.items())
        print(
            f"storm {number + 1} (seed {given.first + number}): {shown}: {f'{len(wrong)} WRONG' if wrong else 'good'}",
            flush=True,
        )
        for text in wrong[:10]:
            print(f"    {text[:1500]}", flush=True)
    print()
    for name, value in sums.items():
        print(f"{name:<12}{value:>12.0f}")
    print(f"{'wrong':<12}{len(bad):>12}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
