"""The budgets, and the table that puts figures beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SYNCS = 3
"""Writes of the disk that one durable round trip waits for."""


@dataclass(frozen=True)
class Row:
    """One figure; `least` says that the budget is a lower bound. Without a budget it is only told."""

    what: str
    figure: float
    unit: str
    budget: float | None = None
    least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the budget is met; None without one."""
        if self.budget is None:
            return None
        return self.figure >= self.budget if self.least else self.figure <= self.budget

    def cells(self) -> tuple[str, str, str, str]:
        """What, figure, budget, met."""
        bound = (
            "" if self.budget is None else f"{'>=' if self.least else '<='} {self.budget:,.2f} {self.unit}"
        )
        met = {None: "", True: "yes", False: "NO"}[self.met]
        return self.what, f"{self.figure:,.2f} {self.unit}", bound, met


def rows(results: dict[str, Any]) -> Iterator[Row]:
    """Every figure of the parts that ran."""
    if "round_trip" in results:
        yield from _round_trip(results["round_trip"])
    if "onebot" in results:
        yield from _onebot(results["onebot"])
    for name, figures in results.get("agent", {}).items():
        yield Row(f"agent, {name}, p50", figures["p50_ms"], "ms")
        yield Row(f"agent, {name}, p99", figures["p99_ms"], "ms")
    if "start" in results:
        yield from _start(results["start"])
    if "scale" in results:
        yield from _scale(results["scale"])
    for name, at in results.get("adapters", {}).items():
        yield Row(f"adapter {name}, start to ready", at["ready_s"], "s")
        yield Row(f"adapter {name}, PSS idle", at["pss_idle_mib"], "MiB")
        yield Row(f"adapter {name}, platform to kernel, p50", at["in_p50_ms"], "ms")
        yield Row(f"adapter {name}, kernel to platform, p50", at["out_p50_ms"], "ms")
        yield Row(f"adapter {name}, CPU per 1,000 there and back", at["cpu_seconds_per_1000"], "s")


def _round_trip(figures: dict[str, Any]) -> Iterator[Row]:
    sync = figures["fdatasync_p50_ms"]
    yield Row("fdatasync of the disk, p50", sync, "ms")
    for step in figures["steps"]:
        lanes = step["lanes"]
        one, thousand = lanes == 1, lanes == 1000
        where = f"durable round trip, {lanes} lanes"
        yield Row(f"{where}, p50", step["p50_ms"], "ms", 1.0 + SYNCS * sync if one else None)
        yield Row(f"{where}, p99", step["p99_ms"], "ms", 4.0 + SYNCS * sync if one else None)
        yield Row(f"{where}, rate", step["per_second"], "/s", 10_000 if thousand else None, True)


def _onebot(figures: dict[str, Any]) -> Iterator[Row]:
    loads = {"one": "1 outstanding", "outstanding": "64 outstanding", "connections": "50 connections"}
    for name in (name for name in figures if name != "ratios"):
        for step, words in loads.items():
            at = figures[name][step]
            where = f"OneBot echo, {name}, {words}"
            if step == "one":
                yield Row(f"{where}, p50", at["p50_ms"], "ms")
                yield Row(f"{where}, p99", at["p99_ms"], "ms")
            else:
                yield Row(f"{where}, rate", at["per_second"], "/s")
            ours = name == "jackfield"
            budget = 0.35 if ours and step != "one" else None
            yield Row(f"{where}, CPU per 1,000", at["cpu_seconds_per_1000"], "s", budget)
            yield Row(f"{where}, lost or wrong", at["lost"] + at["wrong"], "", 0 if ours else None)
        yield Row(f"OneBot echo, {name}, PSS idle", figures[name]["pss_idle_mib"], "MiB")
        yield Row(f"OneBot echo, {name}, PSS after", figures[name]["pss_after_mib"], "MiB")
    for other, ratios in figures.get("ratios", {}).items():
        for step in ("outstanding", "connections"):
            budget = {"nonebot": 3.0, "aiocqhttp": 1.0}[other]
            yield Row(f"rate against {other}, {loads[step]}", ratios[step], "x", budget, True)


def _start(figures: dict[str, Any]) -> Iterator[Row]:
    yield Row("cold start to the first answer", figures["cold_start_s"], "s", 1.0)
    yield Row("cold start until both adapters answered", figures["all_answer_s"], "s")
    for name, size in figures["pss"].items():
        yield Row(f"PSS, {name}", size, "MiB")
    yield Row("PSS, sum", figures["pss_mib"], "MiB", 120)
    for name, seconds in figures["killed_s"].items():
        yield Row(f"{name} killed to the next answer", 1000 * seconds, "ms", 500)
    size = figures["size"]
    yield Row("installed, ours", size["ours_mb"], "MB")
    yield Row(f"installed, {size['third_party']} of third parties", size["third_party_mb"], "MB")
    without = size["ours_mb"] + size["third_party_mb"]
    yield Row("installed, sum without bytecode", without, "MB", 110)
    yield Row("installed, with the bytecode there is", size["total_mb"], "MB")


def _scale(figures: dict[str, Any]) -> Iterator[Row]:
    """Growth against the small set of the same run; the budget is about many plugins and many lanes together."""
    for name, at in figures.items():
        both = name == "both"
        yield Row(f"{name}, all active", at["ready_s"], "s", 15.0 if both else None)
        yield Row(
            f"{name}, kernel CPU per event against the small set", at["growth"], "x", 1.5 if both else None
        )
        yield Row(f"{name}, PSS of the kernel", at["kernel_pss_mib"], "MiB")


def table(results: dict[str, Any]) -> str:
    """All rows in columns."""
    cells = [("", "figure", "budget", "met"), *(row.cells() for row in rows(results))]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = []
    for what, figure, bound, met in cells:
        lines.append(f"{what:<{widths[0]}}  {figure:>{widths[1]}}  {bound:>{widths[2]}}  {met}".rstrip())
    return "\n".join(lines)
