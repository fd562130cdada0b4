"""Real processes: a service of its own for each file of tests, and a browser in front of it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from child_process import free_port
from dashboards import Dashboards, Desk, people, service
from pipesleuth.sandbox.server import run_in_background

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
expect.set_options(timeout=15_000)  # a busy machine is slow, and a condition that comes is not waited for
JIRA_SECRET = "a-secret-between-jira-and-us"


@pytest.fixture(scope="module")
def sandboxed() -> str:
    """What the settings of the stand-ins that are to be there begin with, such as JIRA; a file that wants some says so."""
    return ""


@pytest.fixture(scope="module")
def dashboards(sandboxed: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Dashboards]:
    """A service for one file of tests."""
    folder, port = tmp_path_factory.mktemp("dashboards"), free_port()
    url = f"http://127.0.0.1:{port}"
    hook = {"webhook_url": f"{url}/webhook/jira", "webhook_secret": JIRA_SECRET}
    with contextlib.ExitStack() as opened:
        sandbox = opened.enter_context(run_in_background(0, **hook)) if sandboxed else None
        known = sandbox.environment() if sandbox else {}
        people(folder)
        chosen = {name: value for name, value in known.items() if name.startswith(tuple(sandboxed.split()))}
        opened.enter_context(service(folder, port, chosen))
        client = opened.enter_context(httpx.Client(base_url=url, timeout=30))
        yield Dashboards(url, folder, client, sandbox)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Generator[Browser]:
    """A Chromium for one file of tests; not for longer, because async tests of other files need the loop."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def desk(dashboards: Dashboards, browser: Browser) -> Generator[Desk]:
    """Opens pages; in the end no page may have asked another origin, or complained on its console."""
    place = Desk(dashboards, browser)
    yield place
    for context in place.contexts:
        context.close()
    assert place.outside == []
    assert place.complaints == []
