"""YAML as this kernel accepts it: no duplicate keys, no aliases, bounded size."""

from __future__ import annotations

from typing import Any

import yaml

MAX_BYTES = 1 << 20


class YamlInvalid(ValueError):
    """The text is not YAML as we accept it; the message says what and, where known, the line."""


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Aliases let a few bytes expand to gigabytes once validated; manifests of strangers are read here.
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not accepted", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                text = f"a key must be a text: put {key_node.value} in quotes"
                raise yaml.constructor.ConstructorError(None, None, text, key_node.start_mark)
            if key in seen:
                text = f"duplicate key {key}"
                raise yaml.constructor.ConstructorError(None, None, text, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: bytes) -> dict[str, Any]:
    """Parse a YAML table; an empty text is an empty table. Raises YamlInvalid."""
    if len(text) > MAX_BYTES:
        raise YamlInvalid(f"it is larger than {MAX_BYTES >> 20} MiB")
    try:
        loaded = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise YamlInvalid(f"{error.problem}{line}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise YamlInvalid(str(error)) from error
    except RecursionError as error:
        raise YamlInvalid("it is nested too deeply") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise YamlInvalid(f"it holds a {type(loaded).__name__}, not a table of keys")
    return loaded
