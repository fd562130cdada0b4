"""How long a root cause takes and how much memory the knowledge base needs, as a table."""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipesleuth.model import Diagnosis, Failure
from pipesleuth.triage.diagnose import Triage

SOURCES = {"adf": "data_factory", "databricks": "databricks"}
MEBIBYTE = 1024 * 1024


def failures(paths: Sequence[Path], engine: Triage) -> list[Failure]:
    """The cases of the files, or the examples of the knowledge base when no file is given."""
    if not paths:
        return [
            Failure(
                source="data_factory", pipeline="bench", error_message=example.text, error_code=example.code or None
            )
            for entry in engine.shelf.entries
            for example in entry.examples
        ]
    found: list[Failure] = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            source = SOURCES.get(str(case.get("source")), "data_factory")
            code = case.get("error_code")
            found.append(Failure(source=source, pipeline="bench", error_message=case["message"], error_code=code))
    return found


def told(case: Failure, message: str, pipeline: str) -> Failure:
    """The same failure with another message, told of another pipeline."""
    return Failure(source=case.source, pipeline=pipeline, error_message=message, error_code=case.error_code)


def timed(call: Callable[[Failure], Diagnosis], cases: Sequence[Failure]) -> tuple[float, float, float]:
    """p50, p99 and the longest, in milliseconds."""
    took: list[float] = []
    for case in cases:
        begun = time.perf_counter()
        call(case)
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    return took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))], took[-1]


def resident() -> float:
    """Resident memory now, in MiB (the peak where the system does not tell the present)."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / MEBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def large_texts() -> dict[str, str]:
    """1 MiB of what an attacker or a broken job may send."""
    noise = random.Random(7)
    return {
        "one letter": "a" * MEBIBYTE,
        "quotes": "'\"" * (MEBIBYTE // 2),
        "nested blobs": "ErrorCode=X,'Type=Y,Message=Z,Source=W,''" * (MEBIBYTE // 40),
        "causes": "Caused by: java.lang.RuntimeException: x\n" * (MEBIBYTE // 40),
        "brackets": "[" * MEBIBYTE,
        "noise": "".join(chr(noise.randrange(32, 0x2FF)) for _ in range(MEBIBYTE)),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("cases", nargs="*", type=Path, help="files of cases, one JSON object a line")
    given = options.parse_args()
    before = resident()
    begun = time.perf_counter()
    engine = Triage.load()
    loading = time.perf_counter() - begun
    gc.collect()
    loaded = resident() - before
    cases = failures(given.cases, engine)
    print(f"{len(engine.shelf.entries)} entries, {len(cases)} messages, loaded in {loading:.2f} s, {loaded:.0f} MiB")
    print(f"{'ms a message':<44}{'p50':>9}{'p99':>9}{'longest':>9}")
    fresh = [told(case, case.error_message, "other") for case in cases]
    numbered = [told(case, f"{case.error_message} Run id 1234567.", "one") for case in cases]
    numbered_again = [told(case, f"{case.error_message} Run id 7654321.", "another") for case in cases]
    rows: list[tuple[str, Callable[[Failure], Diagnosis], Sequence[Failure]]] = [
        ("full, first sight", engine.full, cases),
        ("full", engine.full, cases),
        ("provisional, first sight", engine.provisional, cases),
        ("provisional, same message of another pipeline", engine.provisional, fresh),
        ("provisional, seen before", engine.provisional, cases),
    ]
    for case in numbered:
        engine.provisional(case)
    rows.append(("provisional, same wording with other numbers", engine.provisional, numbered_again))
    for name, call, which in rows:
        print(f"{name:<44}" + "".join(f"{value:9.3f}" for value in timed(call, which)))
    for name, text in large_texts().items():
        message = Failure(source="databricks", pipeline="bench", error_message=text)
        print(f"{'1 MiB of ' + name:<44}{timed(engine.full, [message])[0]:9.1f}")
    gc.collect()
    print(f"memory after all: {resident() - before:.0f} MiB more than before loading", file=sys.stdout)


if __name__ == "__main__":
    main()
