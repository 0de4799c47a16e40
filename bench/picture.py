"""The picture of a run: bars for each row, or curves over the number of threads or the size of the collection.

Limits: needs matplotlib (the extra `bench`, which `make bench` installs); without it there is no picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contenders import BASELINE
from bench.curves import Curve
from bench.rounds import Medians, Result
from bench.workloads import Row

_PANELS = (("rps", "requests/s"), ("cpu", "CPU µs per request of the server"))
_COLOURS = ("#c6302b", "#1f77b4", "#7f9fbf", "#999999")


def draw(path: Path, results: Sequence[Result], title: str, curves: dict[str, dict[int, str]]) -> bool:
    """Writes the PNG and says whether it could; `curves` (line -> threads -> contender) asks for curves, not bars."""
    medians = [(result.row, result.medians()) for result in results if result.samples]
    try:
        import matplotlib  # noqa: ICN001, RUF100 - the bench runs without it, too
    except ImportError:
        return False
    if not medians:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = len(medians) if curves else 1
    size = (13, 3.6 * rows) if curves else (13, 1.2 + 0.75 * len(medians))
    figure, axes = pyplot.subplots(rows, 2, figsize=size, squeeze=False, layout="constrained")
    for column, (name, label) in enumerate(_PANELS):
        if curves:
            for line, (row, each) in enumerate(medians):
                _curves(axes[line][column], name, f"{row.name}: {label}", each, curves)
        else:
            _bars(axes[0][column], name, label, medians)
    _save(figure, path, title)
    pyplot.close(figure)
    return True


def draw_growth(path: Path, curves: Sequence[Curve], title: str) -> bool:
    """Writes the PNG of costs over sizes, one panel for each command, and says whether it could."""
    try:
        import matplotlib  # noqa: ICN001, RUF100 - the bench runs without it, too
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    commands = list(dict.fromkeys(curve.command for curve in curves))
    rows = -(-len(commands) // 3)
    figure, axes = pyplot.subplots(rows, 3, figsize=(13, 3 * rows), squeeze=False, layout="constrained")
    for place, panel in enumerate(axes.flat):
        panel.set_visible(place < len(commands))
    for panel, command in zip(axes.flat, commands, strict=False):
        for order, curve in enumerate(each for each in curves if each.command == command):
            points = sorted(curve.cpu.items())
            panel.plot(*zip(*points, strict=True), marker="o", color=_COLOURS[order % 4], label=curve.contender)
        panel.set_xscale("log")
        panel.set_ylim(bottom=0)
        panel.set_title(f"{command}: CPU µs per request over members", fontsize=9)
        panel.legend(fontsize=8)
    _save(figure, path, title)
    pyplot.close(figure)
    return True


def _save(figure: Any, path: Path, title: str) -> None:
    figure.suptitle(title, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _bars(axes: Any, name: str, label: str, medians: Sequence[tuple[Row, dict[str, Medians]]]) -> None:
    """A group of bars for each row, as a share of the baseline, with the figures themselves written on them."""
    contenders = sorted({contender for _, each in medians for contender in each})
    height = 0.8 / len(contenders)
    for order, contender in enumerate(contenders):
        for line, (_, each) in enumerate(medians):
            if contender not in each:
                continue
            value = getattr(each[contender], name)
            base = getattr(each[BASELINE], name) if BASELINE in each else value
            place = line + (order - (len(contenders) - 1) / 2) * height
            shown = contender if line == 0 else None
            axes.barh(place, value / base if base else 0, height, color=_COLOURS[order % 4], label=shown)
            axes.text(0.02, place, f"{value:,.0f}" if name == "rps" else f"{value:.2f}", va="center", fontsize=7)
    axes.set_yticks(range(len(medians)), [row.name for row, _ in medians])
    axes.axvline(1, color="black", linewidth=0.6)
    axes.set_ylim(len(medians) - 0.4, -0.6)
    axes.set_title(f"{label}, redis = 1", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")


def _curves(axes: Any, name: str, label: str, medians: dict[str, Medians], curves: dict[str, dict[int, str]]) -> None:
    for order, (line, contenders) in enumerate(curves.items()):
        points = [(threads, getattr(medians[each], name)) for threads, each in contenders.items() if each in medians]
        axes.plot(*zip(*sorted(points), strict=True), marker="o", color=_COLOURS[order % 4], label=line)
    if BASELINE in medians:
        level = getattr(medians[BASELINE], name)
        axes.axhline(level, color="#999999", linestyle="--", label=f"{BASELINE}, no io-threads")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("threads (io-threads)")
    axes.set_title(label, fontsize=10)
    axes.legend(fontsize=8)
