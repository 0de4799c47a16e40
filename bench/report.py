"""The table for people and the JSON for machines.

Idea: one table, a group of lines for each row, a line for each contender; everything in it is a median. The JSON has
every round, so that any other figure can be worked out later.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.curves import COMPLEXITY, Curve
from bench.footprint import FootprintResult
from bench.packed import PackedResult
from bench.rounds import Medians, Result
from bench.targets import Verdict

_HEADINGS = ("row", "server", "req/s", "p50 µs", "p99 µs", "CPU µs/req", "cpu ratio", "speed ratio", "p50 ratio")
_FOOTPRINT_HEADINGS = (
    *("server", "B/key", "B/integer", "B/connection", "idle CPU %", "accepted/s", "CPU µs/connection", "MiB at start"),
)
_PACKED_HEADINGS = ("collection", "server", "B resident", "B used_memory", "resident ratio", "used_memory ratio")
EXPLANATION = (
    "Medians over the rounds; ratios refer to redis (no io-threads), each the median of the rounds' own:\n"
    "cpu ratio = its CPU per request ÷ this one's, speed ratio = this one's req/s ÷ its (above 1: better than Redis),\n"
    "p50 ratio = this one's p50 ÷ its (below 1: better)."
)


def table(results: Sequence[Result]) -> str:
    """The table of medians."""
    lines = []
    for result in results:
        row = result.row.name
        medians = result.medians()
        for name in sorted({*medians, *result.faults}):
            if name in result.faults:
                lines.append((row, name, "failed", *[""] * 6))
            else:
                lines.append((row, name, *_cells(medians[name])))
            row = ""
    return _aligned(_HEADINGS, lines, texts=2)


def _cells(medians: Medians) -> tuple[str, ...]:
    ratios = (medians.cpu_ratio, medians.speed_ratio, medians.p50_ratio)
    return (
        f"{medians.rps:,.0f}",
        f"{medians.p50:,.1f}",
        f"{medians.p99:,.1f}",
        f"{medians.cpu:.2f}",
        *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
    )


def footprint_table(footprint: FootprintResult) -> str:
    """The table of memory and connections."""
    lines = [(name, *(f"{value:,.1f}" for value in each.values())) for name, each in footprint.medians().items()]
    lines += [(name, "failed", *[""] * 6) for name in footprint.faults]
    return _aligned(_FOOTPRINT_HEADINGS, sorted(lines), texts=1)


def packed_table(collections: PackedResult) -> str:
    """The table of bytes per collection; a ratio is this server's ÷ the baseline's."""
    lines = []
    for row, contenders in collections.medians().items():
        for name, figures in sorted(contenders.items()):
            ratios = (figures.get("rss_ratio"), figures.get("used_memory_ratio"))
            sizes = (f"{figures['rss']:,.0f}", f"{figures['used_memory']:,.0f}")
            lines.append((row, name, *sizes, *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)))
            row = ""
    return _aligned(_PACKED_HEADINGS, lines, texts=2)


def curves_table(curves: Sequence[Curve]) -> str:
    """CPU in µs per request at every size, and the growth from the smallest to the largest."""
    sizes = sorted({members for curve in curves for members in curve.cpu})
    headings = ("command", "documented", "server", *(f"µs at {members:,}" for members in sizes), "growth")
    lines = []
    for curve in curves:
        costs = (f"{curve.cpu[members]:.2f}" if members in curve.cpu else "" for members in sizes)
        known = COMPLEXITY.get(curve.command, "")
        lines.append((curve.command, known, curve.contender, *costs, f"{curve.growth:.2f}"))
    return _aligned(headings, lines, texts=3)


def _aligned(headings: tuple[str, ...], lines: Sequence[tuple[str, ...]], texts: int) -> str:
    """Columns of equal width; the first `texts` to the left, numbers to the right."""
    cells = [headings, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (headings, rule, *lines)
    )


def document(
    facts: dict[str, Any],
    parameters: dict[str, Any],
    results: Sequence[Result],
    footprint: FootprintResult | None,
    verdicts: Sequence[Verdict],
    collections: PackedResult | None = None,
    curves: Sequence[Curve] = (),
) -> dict[str, Any]:
    """What the JSON file holds."""
    rows = [
        {
            "name": result.row.name,
            **asdict(result.row),
            "medians": {name: asdict(each) for name, each in result.medians().items()},
            "samples": [asdict(sample) for sample in result.samples],
            "faults": result.faults,
        }
        for result in results
    ]
    return {
        "facts": facts,
        "parameters": parameters,
        "rows": rows,
        "footprint": None if footprint is None else {"medians": footprint.medians(), **asdict(footprint)},
        "collections": None if collections is None else {"medians": collections.medians(), **asdict(collections)},
        "curves": [{**asdict(curve), "growth": curve.growth} for curve in curves],
        "targets": [{**asdict(each.target), "value": each.value, "is_met": each.is_met} for each in verdicts],
    }


def save_table(folder: Path, bench: str, title: str, text: str, figures: list[dict[str, Any]]) -> None:
    """`bench.md`, a table under its title and the command that made it, and `bench.json`, its figures."""
    write_json(folder / f"{bench}.json", figures)
    (folder / f"{bench}.md").write_text(f"# {title}\n\nBy `python -m bench.{bench}`.\n\n{text}\n")


def write_json(path: Path, contents: dict[str, Any] | list[dict[str, Any]]) -> None:
    """The file holds the contents; what was there before is replaced in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(contents, indent=1, ensure_ascii=False, default=str) + "\n")
    part.replace(path)
