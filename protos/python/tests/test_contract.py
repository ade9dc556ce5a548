"""The generated code is that of the contract, and the reasons of errors are the kernel's."""

from __future__ import annotations

from pathlib import Path

from jackfield.v1 import error_pb2, frame_pb2

ROOT = Path(__file__).parents[2]


def test_every_contract_has_its_generated_code() -> None:
    contracts = {path.stem for path in (ROOT / "jackfield" / "v1").glob("*.proto")}
    generated = {
        path.name.removesuffix("_pb2.py") for path in (ROOT / "python" / "jackfield" / "v1").glob("*_pb2.py")
    }
    assert contracts == generated


def test_reasons_are_upper_snake_and_unique() -> None:
    names = [name for name in error_pb2.Reason.DESCRIPTOR.values_by_name if name != "REASON_UNSPECIFIED"]
    assert all(name.startswith("REASON_") and name == name.upper() for name in names)
    assert len(names) == len(set(names))


def test_a_frame_has_one_kind() -> None:
    oneofs = frame_pb2.Frame.DESCRIPTOR.oneofs
    assert [oneof.name for oneof in oneofs] == ["kind"]
    assert len(frame_pb2.Frame.DESCRIPTOR.fields) == len(oneofs[0].fields)
