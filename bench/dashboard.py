"""How fast and how small the dashboard is in a real Chromium, in front of a real service."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, WebSocketRoute, sync_playwright

from intake import KEY, MESSAGES, alert, service
from live import token

STATIC = Path(__file__).resolve().parent.parent / "src" / "pipesleuth" / "web" / "static"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MANY, ALERT = 10_000, 200
ROUNDS, VIEWS, EVENTS, LONG = 40, 5, 200, 10_000
# Waits for a card whose text has a word in it, and gives the moment after it was painted.
SEEN = """(word) => new Promise((done) => {
  const look = () => {
    const found = [...document.querySelectorAll('article.card')].some((one) => one.textContent.includes(word));
    if (!found) return false;
    requestAnimationFrame(() => setTimeout(() => done(performance.timeOrigin + performance.now())));
    return true;
  };
  if (look()) return;
  const watch = new MutationObserver(() => look() && watch.disconnect());
  watch.observe(document, {childList: true, subtree: true});
})"""


def fail(port: int, body: dict[str, Any]) -> None:
    """Send one webhook."""
    request = urllib.request.Request(  # our own server
        f"http://127.0.0.1:{port}/azure-monitor",
        json.dumps(body).encode(),
        {"x-api-key": KEY, "content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # the same
        answer.read()


def fill(port: int, number: int) -> None:
    """Make so many open tickets, 200 in one alert."""
    for start in range(0, number, ALERT):
        body: dict[str, Any] = alert("p", "r", "m")
        condition = body["data"]["alertContext"]["condition"]
        condition["allOf"] = [
            {"dimensions": [{"name": name, "value": value} for name, value in _run(start + at).items()]}
            for at in range(ALERT)
        ]
        fail(port, body)


def _run(number: int) -> dict[str, str]:
    message = MESSAGES[number % len(MESSAGES)].replace("{n}", str(number % 50))
    return {"PipelineName": f"pl_load_{number % 400}", "RunId": str(uuid.uuid4()), "ErrorMessage": message}


def profile(browser: Browser, who: str) -> BrowserContext:
    """An empty browser profile that is logged in."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.add_init_script(f"localStorage.setItem('authToken', {json.dumps(who)})")
    return context


def say(what: str, figure: float, goal: float, unit: str) -> bool:
    """One line of the table; whether the goal is met."""
    met = figure < goal
    print(f"{what:<52} {figure:>10,.1f} {unit:<4} (goal < {goal:,.0f}) {'' if met else 'MISSED'}")
    return met


def post_to_card(browser: Browser, port: int, who: str) -> bool:
    """From before the webhook is sent until its card is painted."""
    context = profile(browser, who)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/dashboard?sort=newest")
    page.get_by_text("Live", exact=True).wait_for()
    took: list[float] = []
    for number in range(ROUNDS):
        word = f"pl_seen_{number}_"
        page.evaluate(f"() => {{ window.seen = ({SEEN})({json.dumps(word)}); }}")
        began = time.time()
        fail(port, alert(word, str(uuid.uuid4()), MESSAGES[number % len(MESSAGES)]))
        took.append(page.evaluate("() => window.seen") - began * 1000)
        time.sleep(0.1)
    context.close()
    took.sort()
    print(f"{'POST to painted card, p50':<52} {statistics.median(took):>10,.1f} ms")
    return say("POST to painted card, p95", took[int(len(took) * 0.95)], 300, "ms")


def first_view(browser: Browser, port: int, who: str) -> bool:
    """From the click on a bookmark to painted cards, with nothing cached."""
    took: list[float] = []
    sizes: list[float] = []
    for _ in range(VIEWS):
        context = profile(browser, who)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        size: list[float] = []
        session.on("Network.loadingFinished", _noting(size))
        page.goto(f"http://127.0.0.1:{port}/dashboard", wait_until="commit")
        painted = page.evaluate(f"() => ({SEEN})('pl_')")
        took.append(painted - page.evaluate("() => performance.timeOrigin"))
        page.wait_for_timeout(700)
        sizes.append(sum(size) / 1000)
        context.close()
    met = say(f"first view with {MANY:,} tickets, median", statistics.median(took), 1000, "ms")
    return say("transferred for it", max(sizes), 300, "kB") and met


def _noting(sizes: list[float]) -> Callable[[dict[str, Any]], None]:
    return lambda said: sizes.append(said["encodedDataLength"])


def wired(browser: Browser, port: int, who: str) -> tuple[BrowserContext, Page, WebSocketRoute]:
    """A page whose socket goes through our hands."""
    context = profile(browser, who)
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(socket.send)
        sockets.append(socket)

    context.route_web_socket("**/ws", between)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/dashboard?sort=newest")
    page.get_by_text("Live", exact=True).wait_for()
    page.locator("article.card").first.wait_for()
    return context, page, sockets[0]


def a_card(port: int, who: str) -> dict[str, Any]:
    """A card as the API gives it."""
    request = urllib.request.Request(  # our own server
        f"http://127.0.0.1:{port}/api/open-tickets?limit=1&sort=newest", headers={"authorization": f"Bearer {who}"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # the same
        return json.load(answer)["tickets"][0]


def metric(session: CDPSession, name: str) -> float:
    """One of Chromium's own figures."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in found if one["name"] == name)


def busy(session: CDPSession) -> float:
    """Seconds of script, style and layout so far."""
    return sum(metric(session, name) for name in ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration"))


def one_event(browser: Browser, port: int, who: str) -> bool:
    """The main thread's own time for an event that changes a card in sight."""
    context, page, socket = wired(browser, port, who)
    card = a_card(port, who)
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    time.sleep(1)
    before = busy(session)
    for number in range(EVENTS):
        known = {**card, "version": 1000 + number, "rca_result": f"Cause {number}", "seen_count": number + 2}
        socket.send(json.dumps({"event": "ticket_updated", "sequence": 10**7 + number, "card": known}))
        page.wait_for_timeout(25)
    spent = (busy(session) - before) * 1000 / EVENTS
    context.close()
    return say("one event handled: script, style, layout; mean", spent, 4, "ms")


def heap(browser: Browser, port: int, who: str) -> bool:
    """What the heap gains over 10,000 events: 5,000 tickets that come in and are closed."""
    context, page, socket = wired(browser, port, who)
    card = a_card(port, who)
    session = context.new_cdp_session(page)
    session.send("Performance.enable")

    def used() -> float:
        page.wait_for_timeout(1000)
        session.send("HeapProfiler.collectGarbage")
        return metric(session, "JSHeapUsedSize") / 1e6

    sizes: list[float] = []
    for number in range(LONG + LONG // 2):
        if number >= LONG // 2 and (number - LONG // 2) % (LONG // 4) == 0:
            sizes.append(used())
        at, closed = divmod(number, 2)
        status = "acknowledged" if closed else "open"
        known = {**card, "id": f"ADF-20261123T000000-{at:06x}", "version": 1 + closed, "status": status}
        event = "status_update" if closed else "new_ticket"
        socket.send(json.dumps({"event": event, "sequence": 2 * 10**7 + number, "card": known}))
        if number % 100 == 99:
            page.wait_for_timeout(1)
    sizes.append(used())
    context.close()
    print(f"{'heap on the way':<52} {' '.join(f'{size:.1f}' for size in sizes)} MB")
    return say(f"heap gained over {LONG:,} events", max(sizes[-1] - sizes[0], 0.0), 1, "MB")


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    met = [say(f"static files, all {len(files)}", sum(path.stat().st_size for path in files) / 1000, 120, "kB")]
    with service() as port, sync_playwright() as playwright:
        who = token(port)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        fail(port, alert("pl_first", str(uuid.uuid4()), MESSAGES[0]))
        met.append(post_to_card(browser, port, who))
        met.append(one_event(browser, port, who))
        met.append(heap(browser, port, who))
        fill(port, MANY)
        time.sleep(3)
        met.append(first_view(browser, port, who))
        browser.close()
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
