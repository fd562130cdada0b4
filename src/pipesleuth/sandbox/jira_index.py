"""By what a site's search finds issues without looking at all of them: labels, and words that few issues have."""

from __future__ import annotations

from collections.abc import Collection

from pipesleuth.sandbox.jql import Query, words_in
from pipesleuth.sandbox.wire import Json, list_of

COMMON = 200
"""Issues with the same word from which on it says too little to find one by."""


class JiraIndex:
    """Issues' numbers by what they bear or once bore, in lower case; more may be found than a query means."""

    def __init__(self) -> None:
        self._labelled: dict[str, dict[str, None]] = {}
        self._worded: dict[str, dict[str, None] | None] = {}
        self._read: dict[str, tuple[object, object]] = {}

    def note(self, number: str, fields: Json) -> None:
        """An issue has these fields now."""
        for label in list_of(fields.get("labels")):
            self._labelled.setdefault(str(label).lower(), {})[number] = None
        prose = (fields.get("summary"), fields.get("description"))
        read = self._read.get(number)
        if read is not None and read[0] is prose[0] and read[1] is prose[1]:
            return  # a field's value is replaced, never changed
        self._read[number] = prose
        for word in words_in("text", fields):
            having = self._worded.setdefault(word, {})
            if having is not None:
                having[number] = None
                if len(having) > COMMON:
                    self._worded[word] = None

    def candidates(self, query: Query) -> Collection[str] | None:
        """The issues among which all are that the query means, oldest first; None where that may be any."""
        if query.labels is not None:
            return sorted({number for label in query.labels for number in self._labelled.get(label, ())}, key=int)
        rare = [having for word in query.words if (having := self._worded.get(word, {})) is not None]
        return sorted(min(rare, key=len), key=int) if rare else None
