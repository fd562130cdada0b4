"""Whether an address answers at all, whatever it says."""

from __future__ import annotations

from pipesleuth.client import Answer, Client, Limits, Vendor, checked_base
from pipesleuth.doctor.finding import Case

_LIMITS = Limits(connect=5, read=8, whole=10)
_ANY_STATUS = range(200, 600)


async def asked(case: Case, base: str, path: str) -> Answer:
    """What `base` answers to a GET of `path`. Raises Retryable, Permanent, WrongSetting."""
    client = Client(Vendor(base_urls=(checked_base(base),)), _LIMITS, case.now)
    try:
        return await client.call("GET", f"{base.rstrip('/')}{path}", accept=_ANY_STATUS)
    finally:
        await client.close()
