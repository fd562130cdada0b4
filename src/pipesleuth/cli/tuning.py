"""How the interpreter and its memory are set for one process that answers or calls for weeks."""

from __future__ import annotations

import ctypes
import gc
import sys

SWITCH_SECONDS = 0.0005
COLLECT_AFTER = 20_000  # new objects
HEAPS = 2
BLOCK_BYTES = 128 * 1024
_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1  # as in malloc.h


def tune_for_loading() -> None:
    """Before anything is loaded and before there are threads: do not look for what to collect, and share heaps.

    While modules and knowledge load there is nothing to collect, and looking takes a fifth of the start.
    """
    gc.disable()
    share_heaps()


def share_heaps() -> bool:
    """Ask glibc for two heaps, and for blocks of their own from 128 KB on; False on other systems, where it is moot.

    By default each thread gets a heap and keeps in pieces what it once held: of a worker's 250 MB a fifth was such
    pieces after minutes of load, and growing. Source: mallopt(3).
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_ARENA_MAX: HEAPS, _MMAP_THRESHOLD: BLOCK_BYTES, _TRIM_THRESHOLD: BLOCK_BYTES}
    return all(mallopt(option, value) for option, value in wanted.items())


def tune_for_running() -> None:
    """Once everything is loaded: what is there stays for good, and commits do not wait for batches of answers.

    At the default of 5 ms each commit, for which others wait, would wait for whole batches of answers. And what is
    loaded by now (the knowledge base above all) is not walked by the collector again and again.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(COLLECT_AFTER, 20, 50)
