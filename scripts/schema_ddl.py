"""Writes down the statements that make an empty PostgreSQL or SQL Server database, for the tests to compare."""

from __future__ import annotations

from pathlib import Path

from pipesleuth.db.upgrade import script

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "samples" / "ddl"


def main() -> None:
    """Write one file for each kind."""
    for dialect in ("postgresql", "mssql"):
        (FOLDER / f"{dialect}.sql").write_text(script(dialect), encoding="utf-8")


if __name__ == "__main__":
    main()
