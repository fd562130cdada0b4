"""How a process that runs for weeks holds its memory, on the C library at hand."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

COUNT_HEAPS = """
import ctypes, sys, threading
from pipesleuth.cli.tuning import share_heaps

if sys.argv[1] == "shared":
    assert share_heaps()
libc = ctypes.CDLL(None)
libc.fopen.restype = libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(12)

def hold():
    together.wait()
    libc.malloc(50_000)
    together.wait()

threads = [threading.Thread(target=hold) for _ in range(12)]
for one in threads:
    one.start()
for one in threads:
    one.join()
told = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, told)
libc.fclose(told)
"""


def heaps(way: str, folder: Path) -> int:
    told = folder / f"{way}.xml"
    subprocess.run([sys.executable, "-c", COUNT_HEAPS, way, str(told)], check=True, timeout=60)
    return told.read_text().count("<heap ")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps are Linux's")
def test_threads_share_two_heaps(tmp_path: Path) -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_info"):
        pytest.skip("this Linux has another C library than glibc")
    assert heaps("shared", tmp_path) <= 2 < heaps("default", tmp_path)
