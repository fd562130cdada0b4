"""Pipesleuth: one ticket, with its root cause, for every failed data-pipeline run."""

from importlib.metadata import version


def __getattr__(name: str) -> str:
    if name == "__version__":
        return version("pipesleuth")
    raise AttributeError(name)
