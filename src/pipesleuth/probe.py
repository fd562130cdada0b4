"""A container's health check: `python -m pipesleuth.probe 8000 '/readyz?for=intake'` asks the service beside it.

It loads nothing of the program, because it runs twice a minute beside a service that has better things to do.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence

PORT, PATH, SECONDS = 8000, "/readyz?for=intake", 5


def main(words: Sequence[str]) -> int:
    """Ask `words` (a port and a path, or the usual ones) on this machine; 0 where the answer is 200, else 1."""
    port, path = int(words[0]) if words else PORT, words[1] if len(words) > 1 else PATH
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        said, status = f"Nobody answers on port {port} ({type(error).__name__}).", 0
    else:
        status = answer.status
    finally:
        connection.close()
    sys.stdout.write(f"{said}\n")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
