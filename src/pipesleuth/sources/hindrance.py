"""What a platform did not tell, and why: one sentence for the ticket, and whether a later try may help."""

from __future__ import annotations

from pipesleuth.model import Permanent, Retryable

FACT, LONGEST = "enrichment", 600


class Gone(Permanent):
    """The platform does not know it, or no longer does."""


def reason_of(error: Retryable | Permanent) -> str:
    """The sentence of a refusal, with its full stop."""
    return error.reason.rstrip(". ") + "."


class Hindrances:
    """Collects what could not be read while one failure was asked about."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._worst: Retryable | Permanent | None = None

    def add(self, sentence: str, error: Retryable | Permanent) -> None:
        """Something could not be read; `sentence` says what and why."""
        if sentence not in self._said:
            self._said.append(sentence)
        # One that may pass decides: it is worth another try, whatever else is missing for good.
        if self._worst is None or (isinstance(error, Retryable) and isinstance(self._worst, Permanent)):
            self._worst = error

    def unread(self, what: str, error: Retryable | Permanent) -> None:
        """`what` was refused."""
        self.add(f"{what[:1].upper()}{what[1:]} could not be read: {reason_of(error)}", error)

    def late(self, whose: str, seconds: float) -> None:
        """An answer did not come within so many seconds."""
        error = Retryable(f"{whose} took longer than {seconds:g} s.")
        self.add(error.reason, error)

    @property
    def text(self) -> str:
        """All of them, in at most 600 characters."""
        return " ".join(self._said)[:LONGEST]

    @property
    def worst(self) -> Retryable | Permanent | None:
        """What the whole is to be treated as, in the words of the ticket."""
        if self._worst is None:
            return None
        if isinstance(self._worst, Retryable):
            return Retryable(self.text, after=self._worst.after, everyone=self._worst.everyone)
        return Permanent(self.text, everyone=self._worst.everyone)

    def fact(self) -> dict[str, str]:
        """The fact for the ticket; nothing where all was read."""
        return {FACT: self.text} if self._said else {}
