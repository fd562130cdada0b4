"""From a failure to its diagnosis: peel, match, rank, fill, rate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TypeVar

from pipesleuth.model import Category, Confidence, Diagnosis, Failure, Severity
from pipesleuth.triage.codes import error_type
from pipesleuth.triage.entity import anything_named, entity_of, sensible, tidy
from pipesleuth.triage.excerpt import FULL_LIMIT, QUICK_LIMIT, Excerpt, excerpt
from pipesleuth.triage.families import families
from pipesleuth.triage.fingerprint import soften
from pipesleuth.triage.knowledge.entry import Advice, Weight, fill
from pipesleuth.triage.knowledge.reading import OUR_FOLDER, read_advice, read_folder
from pipesleuth.triage.knowledge.shelf import Shelf, place_of
from pipesleuth.triage.knowledge.sieve import Readable
from pipesleuth.triage.peel import Peeled, peel_excerpt
from pipesleuth.triage.quotation import quotation
from pipesleuth.triage.ranking import Candidate, confidence, ranked
from pipesleuth.triage.responder import responder
from pipesleuth.triage.severity import rate, start

_CACHE = 4096
_TEXTS = 1024  # of a few KiB each
_QUOTE = 280
_MAX_STEPS = 8
_EVIDENCE = 300
_MAX_CODE = 200
_NAMED = frozenset({"condition", "envelope", "termination", "storage", "word"})
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a diagnosis is what it is: the chain that was peeled and the ranking with its reasons."""

    peeled: Peeled
    candidates: tuple[Candidate, ...]
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class _Reading:
    """A failure's text made ready: what is read, its chain, its code, and the codes the base knows."""

    part: Excerpt
    peeled: Peeled
    error_type: str | None
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is remembered for a levelled message: winner, how sure, least severity, the message's code; no names."""

    winner: tuple[Candidate, ...]
    sure: Confidence
    floor: Severity | None
    error_type: str | None


@dataclass(frozen=True, slots=True)
class _Insight:
    """What one text says, whoever reports it: the winner and what else of the diagnosis stands in the text."""

    reading: _Reading
    best: Candidate | None
    sure: Confidence
    floor: Severity | None
    named: str | None  # what the text itself names as affected
    thing: str | None  # that, or the stream, target or whatever it names
    said: str | None
    evidence: tuple[str, ...]


class Triage:
    """The knowledge base at work; one instance serves all threads."""

    def __init__(self, shelf: Shelf, advice: dict[Category, Advice]) -> None:
        self.shelf = shelf
        self._advice = advice
        self._verdicts: OrderedDict[tuple[str | None, ...], _Verdict] = OrderedDict()
        self._insights: OrderedDict[tuple[str | None, ...], _Insight] = OrderedDict()
        self._answers: OrderedDict[tuple[str | None, ...], Diagnosis] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def load(cls, extra: Path | None = None) -> Triage:
        """The knowledge base of ours, and the team's folder `extra` whose entries win.

        Raises KnowledgeFault with file and line of each fault.
        """
        theirs = read_folder(extra, ours=False) if extra else []
        taken = {entry.id for entry in theirs}
        ours = [entry for entry in read_folder(OUR_FOLDER) if entry.id not in taken]
        return cls(Shelf([*theirs, *ours]), read_advice())

    def provisional(self, failure: Failure) -> Diagnosis:
        """The verdict from a bounded part of the text, for use inside a request; verdicts are remembered.

        What is remembered is which entry won for a levelled message; names are always read from the message at hand.
        """
        key = _whole_key(failure)
        known = self._answers.get(key)
        if known is not None:
            return known
        insight = self._insights.get(key[:4])
        if insight is None:
            insight = self._look(failure, key)
            if len(failure.error_message) <= QUICK_LIMIT:
                self._remember(self._insights, key[:4], insight, _TEXTS)
        answer = self._answer(failure, insight)
        if len(failure.error_message) <= QUICK_LIMIT:  # the key holds the whole text
            self._remember(self._answers, key, answer)
        return answer

    def _look(self, failure: Failure, key: tuple[str | None, ...]) -> _Insight:
        """A text seen for the first time: by the verdict for its wording, where that is known."""
        part = excerpt(failure.error_message, QUICK_LIMIT)
        rough = (*key[1:4], soften(part.text))
        verdict = self._verdicts.get(rough)
        if verdict is None:
            reading = self._read(failure, part)
            found = self._rank(reading, failure, home=failure.source)
            verdict = _Verdict(tuple(found[:1]), confidence(found), _floor(found), reading.error_type)
            self._remember(self._verdicts, rough, verdict)
        else:
            reading = _Reading(part, peel_excerpt(part, failure.error_code), verdict.error_type, ())
            found = _again(verdict.winner, part.text)
        return _insight(failure.source, reading, found, verdict.sure, verdict.floor)

    def full(self, failure: Failure) -> Diagnosis:
        """The verdict from the whole message as far as it is readable; never an exception, whatever the text."""
        return self.explain(failure).diagnosis

    def explain(self, failure: Failure) -> Explanation:
        """The full verdict with its ranking and reasons."""
        reading = self._read(failure, excerpt(failure.error_message, FULL_LIMIT))
        found = self._rank(reading, failure)
        insight = _insight(failure.source, reading, found, confidence(found), _floor(found))
        return Explanation(reading.peeled, tuple(found), self._answer(failure, insight))

    def _read(self, failure: Failure, part: Excerpt) -> _Reading:
        peeled = peel_excerpt(part, failure.error_code)
        code = error_type(peeled.causes, failure.error_code, failure.source, part.text)
        codes = dict.fromkeys(self.shelf.codes_in(part.text))
        for given in (failure.error_code, code):
            if given:
                codes[given.strip().casefold()[:200]] = None
        for cause in peeled.causes:
            if cause.kind == "sql" and cause.code:
                codes[f"sql-{cause.code}"] = None
            elif cause.kind == "cluster" and cause.entity:
                codes[cause.entity.strip().casefold().replace(" ", "_")] = None
        told = [*(cause.code or "" for cause in peeled.causes if cause.kind in _NAMED), failure.error_code or ""]
        if not any(self.shelf.knows(name) for name in told):
            classes = [cause.code or "" for cause in peeled.causes if cause.kind == "exception"]
            classes = [name for name in classes if not self.shelf.knows(name.rpartition(".")[2])]
            codes.update(dict.fromkeys(families(told, classes, part.text)))
        return _Reading(part, peeled, code, tuple(codes))

    def _rank(self, reading: _Reading, failure: Failure, home: str | None = None) -> list[Candidate]:
        code = (failure.error_code or "").strip()[:_MAX_CODE]
        beside = f"ErrorCode={code}" if code and not code.isdigit() and code not in reading.part.text else ""
        line = beside.encode("utf-8", "replace").decode()
        hits = self.shelf.hits(reading.part.text, reading.codes, line, home=home)
        return ranked(hits, reading.part.text, failure.source, failure.activity_type)

    def _remember(
        self,
        cache: OrderedDict[tuple[str | None, ...], _Kept],
        key: tuple[str | None, ...],
        value: _Kept,
        most: int = _CACHE,
    ) -> None:
        with self._lock:
            cache[key] = value
            if len(cache) > most:
                cache.popitem(last=False)

    def _answer(self, failure: Failure, insight: _Insight) -> Diagnosis:
        reading, best = insight.reading, insight.best
        category = best.entry.category if best else Category.UNKNOWN
        advice = self._advice[category]
        entity = insight.thing or failure.activity
        # where only the activity or stream is known it is no name for a table, host or path
        words = _words(failure, reading, best, entity if best and best.entry.entity == "activity" else insight.named)
        entry = best.entry if best else None
        retryable = advice.retryable_on(failure.source) if entry is None or entry.retryable is None else entry.retryable
        heals = advice.auto_heal if entry is None or entry.auto_heal is None else entry.auto_heal
        names = [name for name in (failure.pipeline, failure.resource_id or "") if name]
        severity, priority = rate(
            category, names, reading.peeled.innermost.text, retryable=retryable,
            severity=insight.floor or (entry.severity if entry else None), priority=entry.priority if entry else None,
        )  # fmt: skip
        own = [fill(step, words) for step in (entry.steps if entry else ())]
        steps = [*own, *(fill(step, words) for step in advice.steps)][:_MAX_STEPS]
        general = entry is not None and entry.weight in {Weight.GENERAL, Weight.PLAIN}
        said_by = "unknown" if entry is None else "general" if general else f"knowledge:{entry.id}"
        return Diagnosis(
            root_cause=_root_cause(fill(entry.cause if entry else advice.cause, words), insight.said),
            error_type=(entry.error_type if entry else None) or reading.error_type,
            category=category,
            affected_entity=entity,
            severity=severity,
            priority=priority,
            confidence=insight.sure,
            recommendations=tuple(steps),
            auto_heal_possible=heals and retryable,
            retryable=retryable,
            owner=responder((entry and entry.owner) or advice.owner_on(failure.source), category, insight.thing),
            said_by=said_by,
            evidence=insight.evidence,
        )


def _insight(
    source: str, reading: _Reading, found: Sequence[Candidate], sure: Confidence, floor: Severity | None
) -> _Insight:
    best = found[0] if found else None
    named = _named(reading, best, best.entry.category if best else Category.UNKNOWN)
    thing = named or reading.peeled.thing or _last_resort(source, reading, best)
    said = quotation(reading.peeled.causes)
    return _Insight(reading, best, sure, floor, named, thing, said, _evidence(reading, best))


def _floor(found: Sequence[Candidate]) -> Severity | None:
    """Where severity starts at least: where something was cancelled, with the gravest of the errors beside it."""
    if not found or found[0].entry.category is not Category.CANCELLED:
        return None
    starts = [one.entry.severity or start(one.entry.category) for one in found]
    return Severity.HIGH if {Severity.CRITICAL, Severity.HIGH} & set(starts) else None


def _again(winner: Sequence[Candidate], text: str) -> list[Candidate]:
    """The remembered winner with the names of the text at hand."""
    found: list[Candidate] = []
    readable = Readable(text)
    for one in winner:
        place, length, groups = place_of(filter(None, (pattern.find(readable) for pattern in one.patterns)))
        found.append(replace(one, place=max(place, 0), length=length, groups=groups))
    return found


def _whole_key(failure: Failure) -> tuple[str | None, ...]:
    return (
        failure.error_message, failure.source, failure.error_code, failure.activity_type, failure.pipeline,
        failure.activity, failure.resource_id,
    )  # fmt: skip


def _named(reading: _Reading, best: Candidate | None, category: Category) -> str | None:
    """What the message itself names as affected; None where it only says in which activity or stream."""
    named = tidy(best.groups["entity"]) if best is not None and best.groups.get("entity") else ""
    if named and sensible(named):
        return named
    kind = best.entry.entity if best else None
    thing = reading.peeled.thing
    if kind == "activity" and thing and "/runid/" not in thing:  # the address of a run names nothing in it
        return thing
    return entity_of(reading.part.text, category, kind, best.place if best else 0, loosely=thing is None)


def _last_resort(source: str, reading: _Reading, best: Candidate | None) -> str | None:
    """Data Factory's messages come with the activity, which says more than any word of the text; Spark's do not."""
    if source == "data_factory" or (best is not None and best.entry.entity == "none"):
        return None
    return anything_named(reading.part.text, best.place if best else 0)


def _words(failure: Failure, reading: _Reading, best: Candidate | None, entity: str | None) -> dict[str, str]:
    words = {
        "pipeline": failure.pipeline,
        "activity": failure.activity or reading.peeled.activity or "",
        "code": reading.error_type or failure.error_code or "",
        "text": reading.peeled.innermost.text[:_QUOTE],
        "entity": entity or "",
    }
    if best is not None:
        words.update({name: tidy(value) for name, value in best.groups.items()})
        if best.entry.entity and entity:
            words.setdefault(best.entry.entity, entity)
    return words


def _root_cause(sentence: str, said: str | None) -> str:
    return f"{sentence} The platform said: {said}" if said else sentence


def _evidence(reading: _Reading, best: Candidate | None) -> tuple[str, ...]:
    if best is None or not best.length:
        return ()
    span = reading.part.original(best.place, best.place + min(best.length, _EVIDENCE))
    return (span,) if span and span in reading.part.message else ()
