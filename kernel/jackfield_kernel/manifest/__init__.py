"""Reading `jackfield-plugin.yaml` without running the plugin it describes."""

from .errors import ManifestInvalid
from .loading import MANIFEST_NAME, load_manifest, parse_manifest
from .model import (
    Action,
    Command,
    DefaultBot,
    EventSchema,
    Limits,
    Manifest,
    Provides,
    Restart,
    Run,
    Segments,
    TextLimit,
)
from .problem import Problem
from .schema import JsonSchema, PropertyMarks, defaults_of, marks_of, plain_schema
from .text import Text
from .units import Duration, Size, parse_duration, parse_size

__all__ = [
    "MANIFEST_NAME",
    "Action",
    "Command",
    "DefaultBot",
    "Duration",
    "EventSchema",
    "JsonSchema",
    "Limits",
    "Manifest",
    "ManifestInvalid",
    "Problem",
    "PropertyMarks",
    "Provides",
    "Restart",
    "Run",
    "Segments",
    "Size",
    "Text",
    "TextLimit",
    "defaults_of",
    "load_manifest",
    "marks_of",
    "parse_duration",
    "parse_manifest",
    "parse_size",
    "plain_schema",
]
