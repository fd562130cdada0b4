"""What axe-core finds wrong with a page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page


def violations(page: Page, axe: str) -> list[str]:
    """What axe-core, whose script is given, objects to in the page as it stands."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
