"""The archive against a real Azurite and a real folder."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from canned_server import CannedServer, answer
from pipesleuth.destinations.archive import Archive, ArchiveSettings
from pipesleuth.destinations.contract import InboundRequest
from pipesleuth.model import Notice, Permanent, Receipt, Retryable, Status

NOTICE = Notice(
    ticket_id="ADF-20250126T143522-abc123",
    version=1,
    run_mark="0123456789abcdef",
    created_at=datetime(2025, 1, 26, 23, 59, 59, tzinfo=UTC),
    status=Status.OPEN,
    fields={},
    payload='{"data": {"ключ": "значение 🎈"}}'.encode(),
)
NAME = "2025-01-26/ADF-20250126T143522-abc123-payload.json"


def archive(**values: object) -> Archive:
    return Archive(ArchiveSettings(_env_file=None, **values))  # type: ignore[arg-type]


@pytest.fixture
async def blob(azurite: str) -> AsyncIterator[Archive]:
    kept = archive(azure_storage_conn=azurite, azure_blob_container_name=f"c{uuid.uuid4().hex[:20]}")
    yield kept
    await kept.close()


async def told(destination: Archive, notice: Notice = NOTICE, receipt: Receipt | None = None) -> Receipt:
    return await destination.deliver(notice, receipt, in_doubt=False)


async def test_the_complete_body_becomes_one_blob_in_a_container_made_on_the_way(blob: Archive) -> None:
    receipt = await told(blob)
    assert receipt.key == NAME
    assert receipt.url is not None
    assert receipt.url.endswith(f"/{NAME}")
    assert "sig=" not in receipt.url
    assert receipt.more == {"bytes": str(len(NOTICE.payload or b""))}
    assert await blob._kept(NAME) == NOTICE.payload


async def test_the_same_body_again_is_done_already(blob: Archive) -> None:
    assert await told(blob) == await told(blob)


async def test_another_body_under_the_same_name_is_refused_and_changes_nothing(blob: Archive) -> None:
    await told(blob)
    with pytest.raises(Permanent, match="another content"):
        await told(blob, replace(NOTICE, payload=b"{}"))
    assert await blob._kept(NAME) == NOTICE.payload


async def test_a_body_given_up_here_is_found_in_the_archive(blob: Archive) -> None:
    receipt = await told(blob)
    assert await told(blob, replace(NOTICE, payload=None)) == receipt


async def test_a_body_kept_nowhere_is_said_so(blob: Archive) -> None:
    await told(blob)
    with pytest.raises(Permanent, match="not kept here any more"):
        await told(blob, replace(NOTICE, ticket_id="ADF-20250126T143522-ffffff", payload=None))


async def test_a_receipt_settles_without_a_call() -> None:
    nowhere = archive(azure_storage_conn="AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:9/a")
    receipt = Receipt(key=NAME)
    assert await told(nowhere, receipt=receipt) is receipt


async def test_a_wrong_key_stops_it_for_everyone_and_is_not_repeated(azurite: str) -> None:
    start, _, rest = azurite.partition("AccountKey=")
    wrong = "d3Jvbmcta2V5LXdyb25nLWtleQ=="
    refused = archive(azure_storage_conn=f"{start}AccountKey={wrong};{rest.partition(';')[2]}")
    with pytest.raises(Permanent, match=r"403.*Check AZURE_STORAGE_CONN") as refusal:
        await told(refused)
    assert refusal.value.everyone
    assert wrong not in str(refusal.value)


async def test_a_refusal_names_what_opens_this_store(monkeypatch: pytest.MonkeyPatch) -> None:
    async with CannedServer(answer(403, b"")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for name, value in {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        with pytest.raises(Permanent, match=r"403.*ARCHIVE_URL's store"):
            await told(archive(archive_url="s3://bodies", aws_allow_http=True))


async def test_a_store_that_cannot_be_reached_is_tried_again_for_everyone() -> None:
    nowhere = archive(azure_storage_conn="AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:9/a")
    with pytest.raises(Retryable, match="cannot be reached") as fault:
        await told(nowhere)
    assert fault.value.everyone
    assert not fault.value.in_doubt


async def test_a_local_folder_keeps_the_body_for_its_owner_alone(tmp_path: Path) -> None:
    receipt = await told(archive(data_dir=tmp_path / "data"))
    kept = tmp_path / "data" / "archive" / NAME
    assert kept.read_bytes() == NOTICE.payload
    assert (tmp_path / "data" / "archive").stat().st_mode & 0o077 == 0
    assert unquote(urlsplit(receipt.url or "").path) == str(kept)


async def test_a_local_body_is_written_once(tmp_path: Path) -> None:
    local = archive(data_dir=tmp_path)
    assert await told(local) == await told(local)
    with pytest.raises(Permanent, match="another content"):
        await told(local, replace(NOTICE, payload=b"other"))


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(Retryable, match="cannot be written") as fault:
        await told(archive(data_dir=tmp_path))
    assert fault.value.everyone


async def test_another_store_is_named_by_its_address(tmp_path: Path) -> None:
    receipt = await told(archive(archive_url=f"file://{tmp_path}/kept"))
    assert (tmp_path / "kept" / NAME).read_bytes() == NOTICE.payload
    assert receipt.key == NAME


async def test_what_was_archived_can_be_read_by_its_key_and_nothing_else(blob: Archive, tmp_path: Path) -> None:
    local = archive(data_dir=tmp_path)
    (tmp_path / "secret.txt").write_text("not for you", encoding="utf-8")
    for kept in (blob, local):
        receipt = await told(kept)
        assert await kept.read(receipt.key) == NOTICE.payload
        assert await kept.read("2025-01-26/ADF-x-payload.json") is None
        for odd in ("", "../secret.txt", "2025-01-26/../../secret.txt", "/etc/passwd", "x\x00"):
            assert await kept.read(odd) is None


async def test_an_archive_has_no_news(tmp_path: Path) -> None:
    assert archive(data_dir=tmp_path).read_update(InboundRequest({}, {}, b"")) is None
