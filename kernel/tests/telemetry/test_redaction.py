"""Whatever form a secret takes in a line or a message, it does not get out."""

from __future__ import annotations

import json
import logging
import sys
from urllib.parse import quote

import pytest
from jackfield.v1 import admin_pb2, admin_state_pb2, journal_pb2
from jackfield_kernel.telemetry.redaction import MASK, Redacting, Redactor

SECRET = 'p"ss wörd\\1'


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.hold("one", [SECRET])
    return redactor


@pytest.mark.parametrize(
    "form",
    [SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], quote(SECRET, safe="")],
)
def test_each_form_is_masked(redactor: Redactor, form: str) -> None:
    assert redactor.text(f"a={form};") == f"a={MASK};"


def test_the_longest_goes_whole_and_short_ones_are_left(redactor: Redactor) -> None:
    redactor.hold("two", ["token", "token-and-more", "abc", ""])
    assert redactor.text("token-and-more, token, abc") == f"{MASK}, {MASK}, abc"


def test_a_private_key_is_known_line_by_line(redactor: Redactor) -> None:
    redactor.hold("two", ["-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nAoIBAQC7\n"])
    assert redactor.text("  MIIEvQIBADANBgkqhkiG9w0BAQ") == f"  {MASK}"


def test_what_nobody_holds_any_more_is_an_ordinary_word(redactor: Redactor) -> None:
    redactor.hold("one", [])
    assert redactor.text(SECRET) == SECRET


def test_a_message_is_cleaned_wherever_it_says_it(redactor: Redactor) -> None:
    message = admin_pb2.GetPluginResponse(last_exit=SECRET, last_lines=["x", SECRET])
    message.config.update({"a": {"b": [SECRET, 1]}})
    message.plugin.reason.metadata["why"] = f"<{SECRET}>"
    message.plugin.addresses.add(url=SECRET)
    cleaned = redactor.message(message)
    assert SECRET in message.last_exit
    assert SECRET not in str(cleaned).replace("\\", "")
    assert cleaned.plugin.reason.metadata["why"] == f"<{MASK}>"
    assert cleaned.config["a"]["b"][0] == MASK
    untouched = admin_pb2.GetPluginResponse(last_exit="fine")
    assert redactor.message(untouched) is untouched


def test_bytes_keep_their_length_so_that_what_they_hold_can_be_read(redactor: Redactor) -> None:
    inner = admin_state_pb2.SetSecretRequest(name="n", value=SECRET).SerializeToString()
    cleaned = redactor.message(journal_pb2.CallRecord(body=inner))
    assert admin_state_pb2.SetSecretRequest.FromString(cleaned.body).name == "n"
    assert SECRET.encode() not in cleaned.body


def test_tracebacks_are_cleaned_too(redactor: Redactor) -> None:
    formatter = Redacting(logging.Formatter("%(message)s"), redactor)
    try:
        raise ValueError(SECRET)
    except ValueError:
        record = logging.getLogger("x").makeRecord("x", 40, "f", 1, "failed", (), sys.exc_info())
    assert f"ValueError: {MASK}" in formatter.format(record)
