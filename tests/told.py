"""A destination of a test's own: it remembers what it was told, and does as it is bid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.model import Notice, Receipt, StatusChange

Step = Callable[[Notice, Receipt | None, bool], Awaitable[Receipt] | Receipt]


class Told:
    """A destination that remembers what it was told and does as it is bid."""

    def __init__(self, name: str, *, does: Step | None = None) -> None:
        self.name = name
        self.does = does
        self.created: list[Notice] = []
        self.updated: list[Notice] = []
        self.doubts: list[bool] = []

    async def deliver(self, notice: Notice, receipt: Receipt | None, *, in_doubt: bool) -> Receipt:
        self.doubts.append(in_doubt)
        if self.does is not None:
            done = self.does(notice, receipt, in_doubt)
            return done if isinstance(done, Receipt) else await done
        return self.keep(notice, receipt)

    def keep(self, notice: Notice, receipt: Receipt | None) -> Receipt:
        (self.created if receipt is None else self.updated).append(notice)
        key = receipt.key if receipt else f"KEY-{len(self.created)}"
        newest = max((one.audit_id for one in notice.news), default=receipt.told_audit_id if receipt else 0)
        return Receipt(key=key, url=f"https://there/{key}", told_digest=str(notice.version), told_audit_id=newest)

    def read_update(self, request: InboundRequest) -> StatusChange | None:  # noqa: ARG002  # the contract has it
        return None

    async def close(self) -> None:
        return


def failing(error: Exception, times: int = 10**9) -> Step:
    left = [times]

    def fail(notice: Notice, receipt: Receipt | None, in_doubt: bool) -> Receipt:  # noqa: FBT001
        if left[0] > 0:
            left[0] -= 1
            raise error
        return Receipt(key="K", told_digest=str(notice.version))

    return fail
