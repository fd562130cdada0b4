"""What every inbound source promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pipesleuth.model import Failure, Permanent, Retryable
from pipesleuth.sources.recovery import Recovery, Success


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a platform told of a failure.

    `failure` is the one that was asked about, with what could be learned of it; `hindrance` says why it was not
    all, None where nothing is missing. `runs` are the failed runs that an alert without a run stands for.
    `later` are failures of the same run that came after it: its repairs. `causes` are the keys of the other runs
    whose failure this one only repeats, the innermost last. `remarks` are audit lines, each an action and its
    sentence. `asked` says whether the platform was asked at all.
    """

    failure: Failure
    hindrance: Retryable | Permanent | None = None
    runs: Sequence[Failure] = ()
    later: Sequence[Failure] = ()
    causes: Sequence[str] = ()
    remarks: Sequence[tuple[str, str]] = ()
    asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Failed runs of a stretch of a platform's history, and the ids of runs that had not ended then.

    `succeeded` are the runs that ended well, where the platform lists them with the others.
    """

    failures: Sequence[Failure] = ()
    running: Sequence[str] = ()
    succeeded: Sequence[Success] = ()


class Source(Protocol):
    """A platform whose failures arrive by webhook.

    `name` is the word in `/hooks/{name}` and in a ticket's `source` column; `prefix` starts its ticket ids;
    `aliases` are other words for the same door. `asks` says whether its platform can be asked, `has_history`
    whether its failed runs can be listed.
    """

    name: str
    prefix: str
    aliases: tuple[str, ...]

    @property
    def asks(self) -> bool:
        """Whether a platform is configured to be asked."""
        ...

    @property
    def has_history(self) -> bool:
        """Whether `failed_runs` is configured."""
        ...

    @property
    def fails_again(self) -> bool:
        """Whether what fails after its run's ticket was closed is another failure, told by nothing but a webhook.

        So it is where a repaired run keeps its id and nobody can be asked about repairs.
        """
        ...

    def read(self, payload: Mapping[str, Any]) -> list[Failure]:
        """Read a webhook's body: pure, and at least one failure.

        Raises BadPayload when nothing usable is in it, NotAFailure when it reports no failure.
        """
        ...

    def good_news(self, payload: Mapping[str, Any]) -> Success | None:
        """The run that a body without a failure reports as ended well: pure, and raises nothing.

        Only where it surely belongs to a failed run, if that had one: it names the run itself, or the group that
        reruns share. Which other pipelines, jobs and DAGs did well is asked of the platform.
        """
        ...

    async def enrich(self, failure: Failure, *, known_since: datetime, seconds: float) -> Told:
        """Ask the platform, for at most so many seconds, for what the alert left out; raises nothing.

        `known_since` is when the failure became known here: what failed after it is another failure.
        """
        ...

    async def failed_runs(self, since: datetime, until: datetime, running: Sequence[str] | None = None) -> History:
        """The runs that failed between two moments, as the platform's own history has them.

        `running` are ids of an earlier history's runs that had not ended, None where history was never read.
        Raises Retryable and Permanent.
        """
        ...

    async def recovered(
        self, failures: Sequence[Failure], since: datetime, until: datetime, history: History
    ) -> Sequence[Recovery]:
        """Which of these failed runs were run again with success, or followed by another run that succeeded.

        Each failure has its `occurred_at`; the platform is asked for no other pipelines, jobs or DAGs, and for
        nothing that `history`, of the same stretch, has shown. Raises Retryable and Permanent.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
