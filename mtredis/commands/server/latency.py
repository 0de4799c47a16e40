"""LATENCY: spikes by kind of event, and how long commands take.

Idea: samples and histograms are kept by `ops.latency` and `registry.table`; here they are shown. DOCTOR puts what it
sees into words of its own.

Owner: the executor thread.
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mtredis.errors import CommandError
from mtredis.registry.command import ADMIN, LOADING, NOSCRIPT, STALE, Command, command, container

if TYPE_CHECKING:
    from mtredis.executor.context import Context
    from mtredis.ops.latency import Histogram

container("LATENCY", since="2.8.13", summary="Shows what made the server slow to answer.", help_since="2.8.13")

ADMINISTRATIVE = ADMIN | NOSCRIPT | LOADING | STALE
ALL_NODES = ("nondeterministic_output", "request_policy:all_nodes", "response_policy:special")
ADVICE = {
    "command": "Some commands do much work: see SLOWLOG GET for which, and split them or the values that they work on.",
    "fast-command": "Commands that do little took long: the machine is overloaded, swaps, or gives the server too "
    "little CPU time; measure it with redis-cli --intrinsic-latency 100.",
    "expire-cycle": "Many keys expire at the same time: spread their times to live, or raise hz for shorter cycles.",
}


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


@command("LATENCY LATEST", flags=ADMINISTRATIVE, since="2.8.13", complexity="O(1)", tips=ALL_NODES)
def latency_latest(ctx: "Context", argv: list[bytes]) -> None:
    """Lists the events: name, unix time and ms of the last spike, ms of the worst."""
    events = ctx.server.latency.events
    ctx.reply.array(len(events))
    for name, history in events.items():
        when, milliseconds = history.samples[-1]
        ctx.reply.array(4)
        ctx.reply.bulk(name.encode())
        ctx.reply.integer(when)
        ctx.reply.integer(milliseconds)
        ctx.reply.integer(history.maximum)


@command("LATENCY HISTORY event", flags=ADMINISTRATIVE, since="2.8.13", complexity="O(1)", tips=ALL_NODES)
def latency_history(ctx: "Context", argv: list[bytes]) -> None:
    """Lists the spikes of an event, oldest first, as pairs of unix time and ms."""
    history = ctx.server.latency.events.get(_text(argv[2]))
    samples = list(history.samples) if history else []
    ctx.reply.array(len(samples))
    for sample in samples:
        ctx.reply.integers(list(sample))


@command("LATENCY GRAPH event", flags=ADMINISTRATIVE, since="2.8.13", complexity="O(1)", tips=ALL_NODES)
def latency_graph(ctx: "Context", argv: list[bytes]) -> None:
    """Draws the spikes of an event."""
    name = _text(argv[2])
    if name not in ctx.server.latency.events:
        raise CommandError(f"ERR No samples available for event '{name}'")
    ctx.reply.verbatim(ctx.server.latency.graph(name, int(time.time())).encode())


@command(
    "LATENCY RESET [event]...",
    flags=ADMINISTRATIVE,
    since="2.8.13",
    complexity="O(1)",
    tips=("request_policy:all_nodes", "response_policy:agg_sum"),
)
def latency_reset(ctx: "Context", argv: list[bytes]) -> None:
    """Forgets the spikes of some events, or of all; replies how many events had any."""
    ctx.reply.integer(ctx.server.latency.reset(*map(_text, argv[2:])))


@command("LATENCY DOCTOR", flags=ADMINISTRATIVE, since="2.8.13", complexity="O(1)", tips=ALL_NODES)
def latency_doctor(ctx: "Context", argv: list[bytes]) -> None:
    """Describes the spikes and what may help."""
    latency = ctx.server.latency
    if not latency.events and not ctx.server.config.latency_monitor_threshold:
        text = (
            "Latency monitoring is off: CONFIG SET latency-monitor-threshold <milliseconds> makes the server "
            "remember what took at least so long.\n"
        )
    elif not latency.events:
        text = "Nothing has reached latency-monitor-threshold so far.\n"
    else:
        text = "\n".join(_findings(ctx)) + "\n"
    ctx.reply.verbatim(text.encode())


def _findings(ctx: "Context") -> Iterator[str]:
    now = int(time.time())
    yield "Spikes so far:"
    yield ""
    for number, (name, history) in enumerate(ctx.server.latency.events.items(), 1):
        found = history.summary(now)
        yield (
            f"{number}. {name}: {found.count} spikes (average {found.average} ms, mean deviation "
            f"{found.mean_deviation} ms, one in {found.seconds_between:.2f} s). The worst took {found.maximum} ms."
        )
    yield ""
    yield "What may help:"
    yield ""
    for name in ctx.server.latency.events:
        yield "- " + ADVICE.get(name, f"See what the server was doing at the times of LATENCY HISTORY {name}.")
    config = ctx.server.config
    threshold = config.latency_monitor_threshold * 1000
    if "command" in ctx.server.latency.events and not 0 <= config.slowlog_log_slower_than <= threshold:
        yield f"- The slow log misses some of these commands: CONFIG SET slowlog-log-slower-than {threshold}."


@command(
    "LATENCY HISTOGRAM [command]...", flags=ADMINISTRATIVE, since="7.0.0", complexity="O(N)", tips=ALL_NODES
)
def latency_histogram(ctx: "Context", argv: list[bytes]) -> None:
    """Tells of commands, or of all, how many calls took no longer than so many µs."""
    found = list(ctx.server.statistics.histograms())
    if len(argv) > 2:
        found = list(_chosen(found, [word.lower() for word in argv[2:]]))
    ctx.reply.map(len(found))
    for command_, histogram in found:
        distribution = histogram.distribution()
        ctx.reply.bulk(command_.name)
        ctx.reply.map(2)
        ctx.reply.bulk(b"calls")
        ctx.reply.integer(histogram.calls)
        ctx.reply.bulk(b"histogram_usec")
        ctx.reply.map(len(distribution))
        for microseconds, calls in distribution:
            ctx.reply.integer(microseconds)
            ctx.reply.integer(calls)


def _chosen(
    found: list[tuple[Command, "Histogram"]], names: list[bytes]
) -> Iterator[tuple[Command, "Histogram"]]:
    """Those of the commands named, in that order; the name of a container means its subcommands, too."""
    for name in names:
        for command_, histogram in found:
            if command_.name == name or command_.container == name:
                yield command_, histogram
