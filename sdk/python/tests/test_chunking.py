"""Chunks: within the limit, nothing lost, nothing cut that belongs together."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_sdk.chunking import cut, fitting, length, open_fence, split

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

UNITS = ("utf16", "codepoints", "bytes")
PIECES = st.sampled_from(
    [
        "word ",
        "\n",
        "\n\n",
        "é",
        "e\u0301",
        "😀",
        "👩\u200d💻",
        "\\*",
        "\\\\",
        "`code`",
        "[a](http://x.y/z) ",
        "。",
        "x" * 30,
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=120).map("".join)


@pytest.mark.parametrize(("unit", "expected"), [("codepoints", 4), ("utf16", 5), ("bytes", 1 + 2 + 3 + 4)])
def test_length_is_counted_in_the_platforms_unit(unit, expected) -> None:
    assert length("aé。😀", unit) == expected


@given(TEXTS, st.sampled_from(UNITS), st.integers(16, 200))
def test_nothing_is_lost_and_every_chunk_fits(text, unit, limit) -> None:
    chunks = split(text, limit, unit, markdown=False)
    assert "".join(chunks) == text
    assert all(length(chunk, unit) <= limit for chunk in chunks)
    assert all(chunks)


@given(TEXTS, st.integers(64, 200))
def test_utf16_chunks_hold_whole_characters(text, limit) -> None:
    for chunk in split(text, limit, "utf16"):
        units = chunk.encode("utf-16-le", "surrogatepass")
        assert len(units) // 2 <= limit
        assert chunk == units.decode("utf-16-le", "surrogatepass")


@given(st.lists(st.sampled_from(["\\*", "a ", "b", "\\_"]), max_size=300).map("".join), st.integers(16, 60))
def test_an_escape_is_never_cut(text, limit) -> None:
    for chunk in split(text, limit):
        assert len(re.search(r"\\*$", chunk)[0]) % 2 == 0


@given(
    st.lists(st.sampled_from(["line of code\n", "x = 1\n", "\n", "😀\n"]), min_size=1, max_size=200),
    st.integers(140, 400),
)
def test_a_fence_is_closed_and_opened_again(lines, limit) -> None:
    text = "before\n```python\n" + "".join(lines) + "```\nafter"
    chunks = split(text, limit, "utf16")
    assert all(length(chunk, "utf16") <= limit for chunk in chunks)
    assert all(open_fence(chunk) is None for chunk in chunks)
    body = "".join(lines)
    rejoined = "".join(chunks)
    assert sum(rejoined.count(mark) for mark in ("line of code\n", "x = 1\n", "😀\n")) == sum(
        body.count(mark) for mark in ("line of code\n", "x = 1\n", "😀\n")
    )


def test_links_and_addresses_stay_whole() -> None:
    link = "[the page](https://example.com/a/b)"
    for limit in range(len(link), 80):
        chunks = split(f"{'word' * 7}{link}{'tail' * 9}", limit)
        assert any(link in chunk for chunk in chunks), limit
    address = "https://example.com/" + "a" * 20
    assert address in split("x" * 30 + " " + address, 45)[1]


def test_good_places_are_preferred() -> None:
    assert split("one two.\n\nthree four five", 20) == ["one two.\n\n", "three four five"]
    assert split("one two three four five six", 16) == ["one two three ", "four five six"]


def test_emoji_with_joiners_stay_whole() -> None:
    family = "👩\u200d💻"
    chunks = split("a" + family * 20, 16, "utf16")
    assert all(not chunk.startswith("\u200d") and not chunk.endswith("\u200d") for chunk in chunks)


def test_a_limit_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        split("text", 3)


def test_fitting_and_cut() -> None:
    assert fitting("😀😀", 3, "utf16") == 1
    assert cut("abc", 10, "bytes") == 3
    assert cut("aaaa bbbb", 6, "codepoints", [(0, 9)]) == 6
