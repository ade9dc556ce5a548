"""The frames of the official library, without the rest of it.

`import lark_oapi` reads the classes of every Lark service: three seconds and 170 MB. The frame of the long connection needs 16 MB.
So the two packages above it get their place in the import system without being run; what is imported below them is unchanged.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec, module_from_spec
from typing import Any


def frame_class() -> type[Any]:
    """`Frame` of lark-oapi: SeqID, LogID, service, method, headers, payload. Raises ImportError without the library."""
    for name in ("lark_oapi", "lark_oapi.ws"):
        if name not in sys.modules:
            spec = find_spec(name)
            if spec is None:
                raise ImportError(f"{name} is not installed")
            sys.modules[name] = module_from_spec(spec)
    found: type[Any] = importlib.import_module("lark_oapi.ws.pb.pbbp2_pb2").Frame
    return found
