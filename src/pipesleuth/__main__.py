"""Where the program starts: `pipesleuth`, or `python -m pipesleuth`."""

from __future__ import annotations

import gc


def main() -> None:
    """Load the commands and run the one that was asked for."""
    gc.disable()  # while modules load there is nothing to collect, and looking for it costs a tenth of the start
    from pipesleuth.cli import main as run  # noqa: PLC0415  # after the switch, which is the point

    gc.enable()
    run()


if __name__ == "__main__":
    main()
