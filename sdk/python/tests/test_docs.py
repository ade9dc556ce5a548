"""What the documentation says is so."""

import re
from pathlib import Path
from typing import Any

import jackfield_sdk
import pytest
from jackfield.v1 import error_pb2, frame_pb2
from jackfield_sdk import JackfieldError, RateLimited, errors
from jackfield_sdk.errors import error_to_plain, error_to_proto

DOCS = Path(__file__).parents[2] / "docs"


def blocks() -> list[Any]:
    found = []
    for page in sorted(DOCS.glob("*.md")):
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)):
            found.append(pytest.param(code, id=f"{page.stem}-{number}"))
    return found


@pytest.mark.parametrize("code", blocks())
def test_examples_in_the_docs_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS.parent / "examples" / "echo"))
    exec(compile(code, "docs", "exec"), {"__name__": "docs"})


def test_the_wire_page_names_every_frame() -> None:
    page = (DOCS / "wire.md").read_text("utf-8")
    for field in frame_pb2.Frame.DESCRIPTOR.fields:
        assert f"`{field.name}`" in page, field.name


def test_every_error_class_has_a_reason_of_the_contract_and_stands_in_the_tree() -> None:
    reasons = {name.removeprefix("REASON_") for name in error_pb2.Reason.DESCRIPTOR.values_by_name}
    tree = errors.__doc__ or ""
    for error_class in errors._tree(JackfieldError):
        assert error_class.reason in reasons
        assert f" {error_class.__name__} " in tree.replace("\n", " \n")
        assert getattr(jackfield_sdk, error_class.__name__) is error_class


def test_errors_survive_the_wire() -> None:
    sent = RateLimited(2.5, "slow down", remedy="wait", metadata={"platform_code": "429"})
    got = error_to_plain(error_to_proto(sent))
    assert isinstance(got, RateLimited)
    assert (got.message, got.remedy, got.retry_after, got.retryable) == ("slow down", "wait", 2.5, True)
    assert got.metadata == {"platform_code": "429"}
    assert str(got) == "RATE_LIMITED: slow down wait"
    own = error_to_plain(error_pb2.Error(reason="TOO_SHY", domain="dating", message="no"))
    assert type(own) is JackfieldError
    assert (own.reason, own.domain) == ("TOO_SHY", "dating")
    assert error_to_plain(error_pb2.Error(reason="NOT_FOUND", domain="dating")).__class__ is JackfieldError


def test_everything_public_is_there() -> None:
    for name in jackfield_sdk.__all__:
        assert hasattr(jackfield_sdk, name)
