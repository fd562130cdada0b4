"""One service for all attacks of a process, and what must hold after the last of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from besieged import House, besieged
from child_process import free_port


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house under attack."""
    with besieged(tmp_path_factory.mktemp("besieged"), free_port()) as standing:
        yield standing


@pytest.fixture(autouse=True)
def _still_stands(house: House) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    """After each attack the service is alive, and has neither failed nor written a line of somebody else's."""
    before = house.served.log.stat().st_size
    yield
    assert house.client.get("/healthz").status_code == 200
    with house.served.log.open("rb") as log:
        log.seek(before)
        said = log.read().decode("utf-8", "replace")
    for word in ("Traceback", "request.failed", "hook.failed", "Exception in ASGI"):
        assert word not in said, said[-3000:]
    assert "\x1b" not in said
