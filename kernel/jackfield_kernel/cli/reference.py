"""Reference pages made from the code: `python -m jackfield_kernel.cli.reference DIR` writes them.

A test compares the pages in kernel/docs with what this module makes now.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..config import model
from ..config.kernel import PREFIX
from ..errors import REASONS
from ..manifest import model as manifest_model
from ..manifest import routes as manifest_routes
from .main import OWN_VERBS, verbs

MANIFEST = (
    manifest_model.Manifest,
    manifest_model.Run,
    manifest_model.Provides,
    manifest_model.Segments,
    manifest_model.TextLimit,
    manifest_model.Action,
    manifest_model.Command,
    manifest_model.EventSchema,
    manifest_model.DefaultBot,
    manifest_model.Liveness,
    manifest_routes.Route,
    manifest_routes.Verification,
    manifest_model.Limits,
    manifest_model.Restart,
)

_MADE = "<!-- Made by `make docs` from the code; edit the code. -->"


def commands() -> list[tuple[str, Any]]:
    """Every command of the kernel with its full name, in the order of the help."""
    found: list[tuple[str, Any]] = []
    for name, _ in OWN_VERBS:
        found += _below(f"jackfield {name}", verbs()[name].load())
    return found


def cli_page() -> str:
    """Every verb with its options."""
    lines = [
        "# The command line",
        "",
        _MADE,
        "",
        "Every command takes `--data DIR` to name the kernel it talks to, and `--help`. Exit codes:",
        "0 done, 1 failed, 2 wrong usage, 3 no kernel runs, 130 interrupted. `--json` prints protobuf JSON",
        "with the names of the contract.",
    ]
    for path, command in commands():
        lines += ["", f"## {path}", "", command.help.strip(), ""]
        if command.epilog:
            lines += ["```", command.epilog.removeprefix("Example: "), "```", ""]
        rows = [row for param in command.params if (row := _param(param))]
        if rows:
            lines += ["| argument | meaning |", "| --- | --- |", *rows]
    return "\n".join(lines).rstrip() + "\n"


def configuration_page() -> str:
    """Every key of jackfield.yaml."""
    lines = [
        "# jackfield.yaml",
        "",
        _MADE,
        "",
        "Read from `--config`, `JACKFIELD_CONFIG`, else from the data directory. The environment wins over",
        "the file, the file over what was set by Admin. `jackfield config check` shows each value's origin.",
    ]
    for path, section in _sections((), model.Settings):
        title = ".".join(path) or "Top level"
        lines += ["", f"## {title}", "", _flat(section.__doc__ or ""), ""]
        lines += ["| key | type | default | meaning | variable |", "| --- | --- | --- | --- | --- |"]
        texts = _docstrings(section)
        for key, field in section.model_fields.items():
            variable = f"`{PREFIX}{path[0].upper()}__{key.upper()}`" if _has_variables(path) else ""
            default = _default(field.get_default(call_default_factory=True))
            kind = _type(section, key)
            lines.append(f"| `{key}` | {kind} | {default} | {texts.get(key, '')} | {variable} |")
    return "\n".join(lines) + "\n"


def manifest_page() -> str:
    """Every key of jackfield-plugin.yaml."""
    lines = [
        "# jackfield-plugin.yaml",
        "",
        _MADE,
        "",
        "Unknown keys are errors, and every error names file, key and remedy. How to write one:",
        "[the author's page](../../sdk/docs/manifest.md).",
    ]
    for section in MANIFEST:
        required = [key for key, field in section.model_fields.items() if field.is_required()]
        lines += ["", f"## {section.__name__}", "", _flat(section.__doc__ or ""), ""]
        lines += ["| key | default | meaning |", "| --- | --- | --- |"]
        texts = _docstrings(section)
        for key, field in section.model_fields.items():
            name = field.alias or key
            fallback = (
                _default(field.get_default(call_default_factory=True)) if key not in required else "required"
            )
            lines.append(f"| `{name}` | {fallback} | {texts.get(key, '')} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Every reason of the contract, with what the contract says of it."""
    contract = Path(__file__).parents[3] / "protos" / "jackfield" / "v1" / "error.proto"
    meanings: dict[str, str] = {}
    comment: list[str] = []
    for line in map(str.strip, contract.read_text(encoding="utf-8").splitlines()):
        if line.startswith("//"):
            comment.append(line.removeprefix("//").strip())
            continue
        if line.startswith("REASON_"):
            meanings[line.split(" ")[0].removeprefix("REASON_")] = " ".join(comment)
        comment = []
    lines = [
        "# Reasons of errors",
        "",
        _MADE,
        "",
        "Programs branch on the reason; message and remedy are for people. A plugin may have reasons of its own.",
        "",
        "| reason | gRPC code | meaning |",
        "| --- | --- | --- |",
    ]
    for reason, (code, _) in sorted(REASONS.items()):
        lines.append(f"| `{reason}` | {code.name} | {meanings[reason]} |")
    return "\n".join(lines) + "\n"


PAGES = {
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "manifest-keys.md": manifest_page,
    "errors.md": errors_page,
}


def main() -> None:
    """Write the pages into the directory given as the only argument."""
    folder = Path(sys.argv[1])
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, sub in inner.items():
        yield from _below(f"{path} {name}", sub)


def _param(param: Any) -> str:
    text = getattr(param, "help", None) or ""
    if param.name in ("help", "data") or not text:
        return ""
    if param.param_type_name == "option":
        name = ", ".join(f"`{one}`" for one in param.opts)
        name += f" {param.metavar}" if param.metavar else ""
    else:
        name = f"`{param.metavar or param.name.upper()}`"
    return f"| {name.replace('|', chr(92) + '|')} | {text} |"


def _sections(
    path: tuple[str, ...], section: type[BaseModel]
) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    yield path, section
    if path:
        return
    yield ("plugins", "NAME"), model.PluginEntry
    yield ("bots", "NAME"), model.BotEntry
    for key, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield (key,), kind


def _has_variables(path: tuple[str, ...]) -> bool:
    return len(path) == 1


def _docstrings(section: type[BaseModel]) -> dict[str, str]:
    """The string below each field, which is its documentation."""
    texts: dict[str, str] = {}
    key = ""
    for line in inspect.cleandoc(inspect.getsource(section)).splitlines():
        name, split, _ = line.strip().partition(":")
        if split and name in section.model_fields:
            key = name
        elif key and key not in texts and line.strip().startswith('"""'):
            texts[key] = line.strip().strip('"')
    return texts


def _type(section: type[BaseModel], key: str) -> str:
    schema = section.model_json_schema()["properties"][key]
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    options = schema.get("anyOf", [schema])
    names = [one.get("format") or one.get("type") or "table" for one in options if one.get("type") != "null"]
    return " or ".join("table" if name == "object" else name for name in names)


def _default(value: object) -> str:
    if value is None or isinstance(value, BaseModel):
        return ""
    return f"`{json.dumps(value, default=str)}`"


def _flat(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
