"""A plugin that needs configuration and is listed without it is a fault. (Unlisted it is none: see test_observing.)"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.rig.kernel import Rig, manifest, running

SCHEMA = {"type": "object", "required": ["target"], "properties": {"target": {"type": "string"}}}


def place(folder: Path) -> Path:
    """A folder of plugins with one that needs a target."""
    home = folder / "found" / "needy"
    home.mkdir(parents=True)
    content = yaml.safe_load(manifest("needy", "service", config=SCHEMA))
    content["run"] = {"exec": ["/bin/false"]}
    (home / "jackfield-plugin.yaml").write_text(yaml.safe_dump(content))
    return home


async def state(rig: Rig) -> tuple[str, str, list[str]]:
    status = await rig.status()
    (plugin,) = status.plugins
    return plugin.state, plugin.reason.reason, [one.reason for one in status.problems]


async def test_listed_it_is_a_fault_that_says_what_is_missing(tmp_path: Path) -> None:
    home = place(tmp_path)
    config = {"plugins": {"needy": {"directory": str(home)}}}
    async with running(tmp_path, memory=True, config=config) as rig:
        found, reason, problems = await state(rig)
        assert (found, reason) == ("FAILED", "CONFIG_INVALID")
        assert "CONFIG_INVALID" in problems
