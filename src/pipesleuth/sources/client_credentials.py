"""A service principal's token by OAuth 2.0's client credentials (RFC 6749, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping

from pipesleuth.client import Client
from pipesleuth.model import NOTHING, Retryable

EARLY_SECONDS = 300.0  # before a token ends it is renewed
UNSAID_SECONDS = 600.0  # how long one counts as good whose end is not said


async def granted(
    client: Client, url: str, form: Mapping[str, str], headers: Mapping[str, str] = NOTHING
) -> tuple[str, float]:
    """The token that `url` grants, and its seconds. Raises Retryable and Permanent with the sentence of the refusal."""
    asked = {"grant_type": "client_credentials", **form}
    answer = (await client.call("POST", url, form=asked, headers=headers, creates=False)).json_object()
    token, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token:
        raise Retryable("The sign-on was answered without a token.")
    return token, float(seconds) if isinstance(seconds, int | float) else UNSAID_SECONDS
