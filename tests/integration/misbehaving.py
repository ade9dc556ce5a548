"""A plugin that does one thing wrong, named by its argument. Run by the kernel of a test."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import grpc
from jackfield.v1 import kernel_pb2, kernel_pb2_grpc

LONG = 60.0


def main(fault: str) -> None:
    """Commit the fault."""
    print(f"about to be {fault}", flush=True)
    if fault == "silent":
        time.sleep(LONG)
    elif fault == "hasty":
        sys.exit(3)
    elif fault == "loud":
        while True:
            sys.stdout.write("noise " * 20 + "\n")
    elif fault == "impostor":
        register(secret="guessed")
    elif fault == "newer":
        register(contract_versions=[99])
    else:
        raise SystemExit(f"no fault {fault}")


def register(**changes: object) -> None:
    """Register wrongly, and stay."""
    bootstrap = json.loads(Path(os.environ["JACKFIELD_BOOTSTRAP"]).read_text(encoding="utf-8"))
    fields = {
        "plugin": bootstrap["plugin"],
        "secret": bootstrap["secret"],
        "contract_versions": [1],
        **changes,
    }
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(bootstrap["address"], options) as channel:
        try:
            kernel_pb2_grpc.KernelStub(channel).Register(kernel_pb2.RegisterRequest(**fields))
        except grpc.RpcError as error:
            print(f"refused: {error}", flush=True)
        time.sleep(LONG)


if __name__ == "__main__":
    main(sys.argv[1])
