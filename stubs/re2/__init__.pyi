from collections.abc import Iterator

class error(Exception): ...  # noqa: N801 - the library's own name

class Options:
    max_mem: int
    case_sensitive: bool
    dot_nl: bool
    literal: bool
    log_errors: bool
    never_capture: bool
    one_line: bool
    def __init__(self) -> None: ...

class Match:
    def start(self, group: int | str = 0) -> int: ...
    def end(self, group: int | str = 0) -> int: ...
    def span(self, group: int | str = 0) -> tuple[int, int]: ...
    def group(self, group: int | str = 0) -> str | None: ...
    def groupdict(self) -> dict[str, str | None]: ...

class Regexp:
    @property
    def pattern(self) -> str: ...
    @property
    def groupindex(self) -> dict[str, int]: ...
    def search(self, text: str | bytes, pos: int | None = None, endpos: int | None = None) -> Match | None: ...
    def finditer(self, text: str, pos: int | None = None, endpos: int | None = None) -> Iterator[Match]: ...

class Set:
    def Add(self, pattern: str) -> int: ...  # noqa: N802 - the library's own name
    def Compile(self) -> None: ...  # noqa: N802 - the library's own name
    def Match(self, text: str) -> list[int] | None: ...  # noqa: N802 - the library's own name
    @classmethod
    def SearchSet(cls, options: Options | None = None) -> Set: ...  # noqa: N802 - the library's own name

def compile(pattern: str, options: Options | None = None) -> Regexp: ...  # noqa: A001 - the library's own name
