"""What a model wrote is plain words: nothing hidden, nothing linked, nothing that markup could come of."""

from __future__ import annotations

import time

import pytest

from pipesleuth.triage.neutral import neutral, neutral_line, occurs, visible

MESSAGE = "GET https://acc.blob.core.windows.net/raw/orders.csv failed"


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\x00",
        "\x1b",
        "\u00ad",
        "\U000e0041",
        "\ufe0f",
        "\u3164",
        "\ud800",
        "\ue000",
    ],
)
def test_characters_that_hide_are_gone(hidden: str) -> None:
    assert visible(f"ta{hidden}ble") == "table"


def test_words_of_every_language_stay() -> None:
    text = "Die Größe, размер, サイズ, حجم, 🔥"
    assert neutral(text, "", 100) == text


def test_an_address_that_the_message_has_stays() -> None:
    text = "It could not read https://acc.blob.core.windows.net/raw/orders.csv."
    assert neutral(text, MESSAGE, 200) == text


def test_in_a_step_even_that_address_is_spelt_so_that_nothing_links_it() -> None:
    said = neutral_line("Open https://acc.blob.core.windows.net/raw/orders.csv now", MESSAGE, 200, links=False)
    assert said == "Open hxxps://acc.blob.core.windows.net/raw/orders.csv now"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/login", "HTTP://EVIL.example", "ftp://evil.example/x", "javascript:alert(1)",
        "data:text/html,hello", "www.evil.example/a", "mailto:a@evil.example", "file:///etc/passwd", "slack://open",
        "ht\u200btps://evil.example",
    ],
)  # fmt: skip
def test_an_address_of_the_models_own_is_removed(address: str) -> None:
    said = neutral(f"Go to {address} and sign in.", MESSAGE, 200)
    assert "evil" not in said.lower()
    assert said.startswith("Go to [link removed]")


def test_markup_and_mentions_lose_their_form() -> None:
    said = neutral("<!channel> <@U123> <script>x</script> [a](b) @here @everyone", MESSAGE, 300)
    assert "<" not in said.replace("x<", "")
    assert "](" not in said
    assert "@here" not in said
    assert "@everyone" not in said
    assert "List‹String>" in neutral("List<String>", MESSAGE, 300)


def test_a_long_text_is_cut() -> None:
    assert len(neutral("word " * 10_000, MESSAGE, 500)) == 500


def test_blanks_case_and_hidden_characters_do_not_keep_a_span_from_being_found() -> None:
    assert occurs("get  HTTPS://acc\u200b.blob", MESSAGE)
    assert not occurs("orders.parquet", MESSAGE)
    assert not occurs("\u200b", MESSAGE)


@pytest.mark.parametrize("hostile", ["<" * 200_000, "http://" * 50_000, "@" * 200_000, "](" * 100_000, "a:" * 100_000])
def test_hostile_text_takes_no_time(hostile: str) -> None:
    began = time.perf_counter()
    neutral(hostile, hostile[:12_000], 1500)
    assert time.perf_counter() - began < 0.2
