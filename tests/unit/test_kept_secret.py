"""A secret of one's own is made once, also on a share that knows no hard links."""

from __future__ import annotations

import errno
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipesleuth.model import WrongSetting
from pipesleuth.settings import kept_secret


def without_links(_fresh: Path, _path: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_share_without_hard_links_keeps_the_secret_all_the_same(tmp_path: Path) -> None:
    first, fresh = kept_secret(tmp_path / "secrets", "key", link=without_links)
    assert (len(first) >= 40, fresh) == (True, True)
    assert kept_secret(tmp_path / "secrets", "key", link=without_links) == (first, False)
    assert stat.S_IMODE((tmp_path / "secrets" / "key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["key"]


def test_whoever_comes_second_waits_for_the_first(tmp_path: Path) -> None:
    (tmp_path / ".key.turn").touch()
    with ThreadPoolExecutor() as pool:
        second = pool.submit(kept_secret, tmp_path, "key", link=without_links)
        (tmp_path / "whole").write_text("the-secret-of-the-first")
        (tmp_path / "whole").replace(tmp_path / "key")
        assert second.result(timeout=10) == ("the-secret-of-the-first", False)


def test_another_fault_of_the_folder_is_not_hidden(tmp_path: Path) -> None:
    def full(_fresh: Path, _path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        kept_secret(tmp_path, "key", link=full)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_turn_that_never_ends_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".key.turn").touch()
    with pytest.raises(WrongSetting, match=r"Remove \.key\.turn"):
        kept_secret(tmp_path, "key", link=without_links)


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(WrongSetting, match="is empty"):
        kept_secret(tmp_path, "key")
