"""A message becomes a chain of causes, outermost first."""

from pipesleuth.triage.peel.chain import Cause, Peeled, peel, peel_excerpt

__all__ = ["Cause", "Peeled", "peel", "peel_excerpt"]
