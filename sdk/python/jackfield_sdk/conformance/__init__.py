"""Proves an adapter: `jackfield conformance adapter --plugin DIR --server MODULE:FACTORY`.

A fixture is a function without arguments that returns a `LocalPlatform`; everything else here is the kit's own.
"""

from jackfield_sdk.conformance.platform import Cannot, LocalPlatform, Reach, Seen

__all__ = ["Cannot", "LocalPlatform", "Reach", "Seen"]
