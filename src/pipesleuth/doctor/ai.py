"""Whether the AI's key is taken and its model still served.

Models: https://ai.google.dev/api/models and https://ai.google.dev/gemini-api/docs/deprecations
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import quote

from pipesleuth.client import Client, Vendor
from pipesleuth.doctor.finding import Case, Chart
from pipesleuth.model import Failure, Permanent
from pipesleuth.triage.analyst import GOOGLE, Analyst, AnalystSettings
from pipesleuth.triage.diagnose import Triage
from pipesleuth.triage.prompt import question

# When Google stops serving a model, as it announced; the day itself is told by a 404.
RETIRED_ON: Mapping[str, date] = {"gemini-2.5-flash": date(2026, 12, 1), "gemini-2.5-pro": date(2026, 12, 1)}
NOTICE = timedelta(days=60)
KEY_HINT = "Set GEMINI_API_KEY to a key of Google AI Studio that may use the Gemini API."


async def look(case: Case, chart: Chart) -> None:
    """Whether MODEL_ID, or MODEL_FALLBACK in its place, can be asked; with a test it is asked."""
    settings = AnalystSettings()  # pyright: ignore[reportCallIssue]  # values come from the environment
    if not settings.configured:
        chart.off(
            "No AI is configured; the knowledge base alone gives the root causes. Set GEMINI_API_KEY to change that."
        )
        return
    google = [model for model in settings.models if _bare(model) is not None]
    if google and settings.gemini_api_key is not None:
        await _models(case, chart, settings, google)
    others = [model for model in settings.models if _bare(model) is None]
    if others and not case.send_test:
        chart.ok(f"{', '.join(others)} is configured (it is asked only with --send-test).")
    if case.send_test:
        await _asked(case, chart, settings)


async def _models(case: Case, chart: Chart, settings: AnalystSettings, models: list[str]) -> None:
    key = settings.gemini_api_key.get_secret_value() if settings.gemini_api_key else ""
    base = settings.gemini_base_url.rstrip("/")
    client = Client(Vendor(base_urls=(base,), secrets=(key,), headers={"x-goog-api-key": key}))
    served: list[str] = []
    try:
        for model in models:
            url = f"{base}/v1beta/models/{quote(_bare(model) or '', safe='')}"
            answer = await client.call("GET", url, accept=(400, 401, 403, 404))
            if answer.status in {400, 401, 403}:
                chart.fault(f"The key was refused: {client.sentence(answer)}.", KEY_HINT)
                return
            if answer.status == 200:
                served.append(model)
    finally:
        await client.close()
    first = settings.model_id
    if first in models and first not in served:
        instead = f"{served[0]} answers in its place" if served else "and no MODEL_FALLBACK answers in its place"
        repair = f"Set MODEL_ID to a model that is served{f', such as {served[0]}' if served else ''}."
        (chart.warn if served else chart.fault)(f"{first} is not served (any more), {instead}.", repair)
        return
    end = RETIRED_ON.get(_bare(first) or "")
    if end and datetime.combine(end, time(), UTC) - case.now() < NOTICE:
        following = next((model for model in served if model != first), "a newer model")
        chart.warn(f"Google retires {first} on {end}.", f"Set MODEL_ID to {following}.")
    elif len(served) < len(models):
        missing = next(model for model in models if model not in served)
        chart.warn(f"{first} is served, {missing} is not.", "Set MODEL_FALLBACK to a model that is served.")
    else:
        chart.ok(f"{first} is served, and the key is taken.")


async def _asked(case: Case, chart: Chart, settings: AnalystSettings) -> None:
    text = "A test of pipesleuth doctor: could not connect to server sql-test.example.com: connection refused."
    failure = Failure(source="data_factory", pipeline="pipesleuth-doctor", error_message=text)
    verdict = Triage.load(case.settings.knowledge_path).provisional(failure)
    analyst = Analyst(settings)
    try:
        answer = await analyst.ask(question(failure, verdict, "", strict=analyst.strict))
    except Permanent as error:
        chart.fault(f"The test question failed: {error.reason.rstrip('. ')}.", "Check MODEL_ID and the provider's key.")
    else:
        chart.ok(f"{answer.model} answered a test question in {answer.spent.seconds:.1f} s.")
    finally:
        await analyst.close()


def _bare(model: str) -> str | None:
    """Google's own name of a model; None for another provider's."""
    provider, colon, name = model.partition(":")
    return model if not colon else name if provider in GOOGLE else None
