"""`python -m bench`: reads the command line, starts the servers, measures, prints, writes.

Idea: everything that runs is entered into one ExitStack, so that it is stopped by pid on every way out; the signals
that end a process become exceptions for that reason.
"""

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from bench import contenders, curves, footprint, machine, packed, picture, profiler, report, targets, workloads
from bench.contenders import Contender, Server
from bench.drivers import RedisBenchmark
from bench.faults import BenchFault
from bench.footprint import FootprintResult
from bench.packed import PackedResult
from bench.rounds import Result, Rounds
from bench.targets import Verdict
from bench.workloads import PROFILES, Profile

RESULTS = machine.ROOT / "bench" / "results"
SCALING_THREADS = (1, 2, 4, 6, 8, 10, 12)
SCALING_CORES = 8
NEEDED_FILES = 12_000


def say(line: str) -> None:
    """Progress, for the person who waits."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; `--help` says what is there."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="mtredis and redis-server side by side")
    parser.add_argument("--profile", choices=PROFILES, default="short", help="what is measured (default: short)")
    parser.add_argument("--only", metavar="PATTERN", help="only the rows of this name: --only 'GET c50*'")
    parser.add_argument("--rounds", type=_positive_integer, help="rounds per row")
    parser.add_argument("--seconds", type=_positive, help="about how long one contender is loaded in one round")
    parser.add_argument("--io-threads", type=_positive_integer, help="redis-server's (default: the cores)")
    parser.add_argument("--client-threads", type=_positive_integer, help="redis-benchmark's (default: cores ÷ 4)")
    parser.add_argument("--seed", type=int, help="of the random order (default: the time)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where JSON and PNG go (default: bench/results)")
    parser.add_argument("--check", action="store_true", help="status 1 when a target of bench/targets.py is missed")
    parser.add_argument("--perf", metavar="ROW", help="only this: where mtredis spends its CPU in this row")
    return parser.parse_args(argv)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _positive_integer(text: str) -> int:
    return int(_positive(str(int(text))))


def main(argv: Sequence[str]) -> int:
    """Runs the bench; 0, or 1 when a check fails or something keeps it from measuring."""
    arguments = parse_arguments(argv)
    signal.signal(signal.SIGTERM, _end_in_order)
    signal.signal(signal.SIGHUP, _end_in_order)
    try:
        return _run(arguments)
    except BenchFault as fault:
        say(str(fault))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _end_in_order(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _run(arguments: argparse.Namespace) -> int:
    profile = _chosen(arguments)
    raise_file_limit()
    seed = arguments.seed if arguments.seed is not None else time.time_ns()
    random.seed(seed)
    redis_folder = find_redis()
    cores = len(os.sched_getaffinity(0))
    client_threads = arguments.client_threads or max(1, cores // 4)
    benchmark = RedisBenchmark(redis_folder, client_threads)
    if arguments.perf:
        return _profile_row(arguments, benchmark)
    lineup, lines = _lineup(profile, redis_folder, arguments.io_threads or max(2, cores), cores)
    facts = machine.facts(redis_folder)
    began = time.monotonic()
    found = _measure(profile, lineup, benchmark)
    parameters = {
        "profile": arguments.profile,
        "only": arguments.only,
        "rounds": profile.rounds,
        "seconds": profile.seconds,
        "seed": seed,
        "client_threads": client_threads,
        "contenders": {each.name: each.command_line(0) for each in lineup},
        "server_threads": found.threads,
        "took_seconds": round(time.monotonic() - began, 1),
    }
    grown = curves.of(found.results)
    verdicts = targets.check(found.results, found.memory, found.collections, grown)
    _print(facts, found)
    contents = report.document(facts, parameters, found.results, found.memory, verdicts, found.collections, grown)
    _write(arguments, contents, found.results, lines, grown)
    return _judge(verdicts) if arguments.check else 0


def _chosen(arguments: argparse.Namespace) -> Profile:
    """The profile with what the command line changes in it."""
    profile = PROFILES[arguments.profile]
    if arguments.only:
        rows = workloads.select(profile.rows, arguments.only)
        if not rows:
            known = ", ".join(row.name for row in profile.rows)
            raise BenchFault(f"no row of the profile is called {arguments.only}: {known}")
        profile = replace(profile, rows=rows, has_footprint=False, has_packed=False)
    rounds, seconds = arguments.rounds or profile.rounds, arguments.seconds or profile.seconds
    return replace(profile, rounds=rounds, seconds=seconds)


def raise_file_limit() -> None:
    """This process and its children may open as many files as the hard limit allows, and those are enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < NEEDED_FILES:
        say(f"the hard limit of open files is {hard}: rows with 10,000 connections will fail")


def find_redis() -> Path:
    """The folder of redis-server and redis-benchmark, as .ci/redis names it (it builds them when they are missing)."""
    done = subprocess.run([machine.ROOT / ".ci" / "redis"], stdout=subprocess.PIPE, text=True, check=False)
    folder = Path(done.stdout.strip() or "/nonexistent")
    for name in ("redis-server", "redis-benchmark"):
        if not os.access(folder / name, os.X_OK):
            raise BenchFault(f"there is no {name} to compare with ({folder})")
    return folder


def _lineup(
    profile: Profile, redis_folder: Path, io_threads: int, cores: int
) -> tuple[list[Contender], dict[str, dict[int, str]]]:
    """The contenders, and for the scaling profile the curves that they form."""
    baseline = contenders.redis(redis_folder)
    if not profile.is_scaling:
        both = [contenders.mtredis(), baseline]
        return [*both, contenders.redis(redis_folder, io_threads)] if profile.has_io_threads else both, {}
    if cores < SCALING_CORES:
        raise BenchFault(f"the scaling profile needs {SCALING_CORES} cores or more; this machine has {cores}")
    counts = [count for count in SCALING_THREADS if count <= cores]
    ours = {count: contenders.mtredis(count) for count in counts}
    theirs = {count: contenders.redis(redis_folder, count) for count in counts if count > 1}
    curves = {
        "mtredis": {count: each.name for count, each in ours.items()},
        "redis": {1: baseline.name} | {count: each.name for count, each in theirs.items()},
    }
    return [baseline, *ours.values(), *theirs.values()], curves


@dataclass
class Findings:
    """What was measured."""

    results: list[Result] = field(default_factory=list)
    memory: FootprintResult | None = None
    collections: PackedResult | None = None
    threads: dict[str, int] = field(default_factory=dict)
    """How many each server had."""


def _measure(profile: Profile, lineup: list[Contender], benchmark: RedisBenchmark) -> Findings:
    """The results of the rows, the footprint, the bytes of collections."""
    found = Findings()
    with tempfile.TemporaryDirectory(prefix="mtredis-bench-") as folder:
        if profile.rows:
            with ExitStack() as stack:
                servers = [stack.enter_context(Server(each, Path(folder))) for each in lineup]
                found.results = Rounds(servers, benchmark, say).measure(profile.rows, profile.rounds, profile.seconds)
                found.threads = {each.name: each.threads() for each in servers}
        if profile.has_footprint:
            found.memory = footprint.measure(lineup, min(profile.rounds, 3), Path(folder), say)
        if profile.has_packed:
            found.collections = packed.measure(lineup, profile.rounds, Path(folder), say)
    return found


def _profile_row(arguments: argparse.Namespace, benchmark: RedisBenchmark) -> int:
    every = tuple(dict.fromkeys(row for profile in PROFILES.values() for row in profile.rows))
    rows = workloads.select(every, arguments.perf)
    if not rows:
        raise BenchFault(f"no row is called {arguments.perf}: {', '.join(row.name for row in every)}")
    with tempfile.TemporaryDirectory(prefix="mtredis-bench-") as folder:
        for row in rows:
            with Server(contenders.mtredis(), Path(folder)) as server:
                seconds = arguments.seconds or 3.0
                print(profiler.record(server, row, benchmark, seconds, machine.ROOT / "build" / "perf"))
    return 0


def _print(facts: dict[str, Any], found: Findings) -> None:
    print(machine.summary(facts))
    print(f"{facts['mtredis']}; {facts['redis']}\n")
    if found.results:
        print(report.table(found.results))
        print(f"\n{report.EXPLANATION}")
    if grown := curves.of(found.results):
        print(f"\n{report.curves_table(grown)}")
    faults = [(result.row.name, result.faults) for result in found.results]
    if found.memory is not None:
        print(f"\n{report.footprint_table(found.memory)}")
        faults.append(("memory and connections", found.memory.faults))
    if found.collections is not None:
        print(f"\n{report.packed_table(found.collections)}")
        faults.append(("bytes per collection", found.collections.faults))
    for row, failed in faults:
        for name, fault in failed.items():
            print(f"\n{row}: {name} failed: {fault}")


def _write(
    arguments: argparse.Namespace,
    contents: dict[str, Any],
    results: list[Result],
    lines: dict[str, dict[int, str]],
    grown: list[curves.Curve],
) -> None:
    """JSON and PNG lie in the output folder, named for the profile (part of one: "-part")."""
    name = f"{arguments.profile}{'-part' if arguments.only else ''}"
    path = arguments.output / f"{name}.json"
    report.write_json(path, contents)
    say(f"wrote {path}")
    drawing = path.with_suffix(".png")
    title = f"{name}: {machine.summary(contents['facts'])}"
    if picture.draw_growth(drawing, grown, title) if grown else picture.draw(drawing, results, title, lines):
        say(f"wrote {drawing}")
    elif results:
        say("no picture: there is no matplotlib (`make bench` installs it) or no result")


def _judge(verdicts: list[Verdict]) -> int:
    print()
    for verdict in verdicts:
        print(verdict.wording)
    missed = sum(not verdict.is_met for verdict in verdicts)
    if not verdicts:
        print("no target of bench/targets.py is about what was measured")
    elif missed:
        print(f"{missed} of {len(verdicts)} targets missed")
    return 1 if missed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
