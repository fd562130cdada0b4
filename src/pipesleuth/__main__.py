"""`python -m pipesleuth`."""

from pipesleuth.cli import main

main()
