"""The layers of an error as people see them: from the outermost wrapper to what really went wrong."""

from __future__ import annotations

from typing import Any

from pipesleuth.triage.peel import Peeled

MOST = 12
TEXT = 600
NAME = 200


def layers(peeled: Peeled) -> list[dict[str, Any]]:
    """Outermost first; of a very long chain the first and the innermost ones, `innermost` marks what says most."""
    causes = (
        peeled.causes if len(peeled.causes) <= MOST else (*peeled.causes[: MOST // 2], *peeled.causes[-MOST // 2 :])
    )
    return [
        {
            "kind": cause.kind,
            "code": cause.code[:NAME] if cause.code else None,
            "text": cause.text[:TEXT],
            "entity": cause.entity[:NAME] if cause.entity else None,
            "innermost": cause is peeled.innermost,
        }
        for cause in causes
    ]
