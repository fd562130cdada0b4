"""`/docs`: the API's own description as a page that works offline, made from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pipesleuth API</title>
<link rel="stylesheet" href="/static/css/base.css">
<link rel="stylesheet" href="/docs.css">
</head>
<body class="reference">
<main>
<h1>Pipesleuth API <small>{version}</small></h1>
<p>Webhooks present an API key as <code>x-api-key</code>, as the password of HTTP Basic, or as <code>?key=</code>;
everything else wants the token of <code>/api/login</code> as <code>Authorization: Bearer</code>. Errors are
<code>{{"detail", "code", "field"?}}</code>. The same as a document: <a href="/openapi.json">openapi.json</a>.</p>
{body}
</main>
</body>
</html>
"""
_STYLE = """.reference main { max-width: 60rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
.reference section { margin: 1.2rem 0; }
.reference h3 { margin: 0 0 .3rem; font: 600 1rem ui-monospace, monospace; overflow-wrap: anywhere; }
.reference table { border-collapse: collapse; width: 100%; }
.reference td, .reference th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
.reference h1 small { font-weight: 400; opacity: .7; }
"""


@router.get("/docs")
async def reference(request: Request) -> HTMLResponse:
    """Every route with what it takes and answers."""
    document = request.app.openapi()
    return HTMLResponse(_PAGE.format(version=escape(document["info"]["version"]), body="\n".join(_groups(document))))


@router.get("/docs.css")
async def style() -> HTMLResponse:
    """The page's few rules."""
    return HTMLResponse(_STYLE, media_type="text/css")


def _groups(document: Mapping[str, Any]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            groups.setdefault((route.get("tags") or ["other"])[0], []).append(_route(method, path, route))
    for name, routes in groups.items():
        yield f"<h2>{escape(name.capitalize())}</h2>"
        yield from routes


def _route(method: str, path: str, route: Mapping[str, Any]) -> str:
    parameters = "".join(_parameter(one) for one in route.get("parameters", ()))
    table = f"<table><tr><th>Parameter</th><th>In</th><th>What</th></tr>{parameters}</table>" if parameters else ""
    answers = ", ".join(
        f'<abbr title="{escape(str(answer.get("description", "")))}">{escape(str(status))}</abbr>'
        for status, answer in route.get("responses", {}).items()
    )
    said = escape(route.get("description") or route.get("summary") or "")
    head = f"<h3>{escape(method.upper())} {escape(path)}</h3>"
    return f"<section>{head}<p>{said}</p>{table}<p>Answers: {answers}</p></section>"


def _parameter(one: Mapping[str, Any]) -> str:
    schema = one.get("schema", {})
    kind = schema.get("type") or " or ".join(str(each.get("type")) for each in schema.get("anyOf", ()))
    said = one.get("description") or kind
    needed = " (required)" if one.get("required") else ""
    name = f"<code>{escape(one['name'])}</code>{needed}"
    return f"<tr><td>{name}</td><td>{escape(one['in'])}</td><td>{escape(said)}</td></tr>"
