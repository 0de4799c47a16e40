"""`--perf ROW`: where mtredis spends its CPU during one row, as `perf record -g` sees it.

Idea: the row is driven as in the bench while perf samples the server's process; the top symbols go to the terminal,
the recording stays for `perf report`.

Limits: needs perf and the right to use it. Only the time on a CPU is sampled, user and kernel.
"""

import shutil
import signal
import subprocess
import time
from pathlib import Path

from bench.contenders import Server
from bench.drivers import RedisBenchmark
from bench.faults import BenchFault
from bench.rounds import Rounds
from bench.workloads import Row

FREQUENCY = 1999
STOP_SECONDS = 30.0


def record(server: Server, row: Row, benchmark: RedisBenchmark, seconds: float, folder: Path) -> str:
    """The top symbols of the server during so many seconds of the row, and where the recording lies."""
    if shutil.which("perf") is None:
        raise BenchFault("there is no perf on PATH")
    folder.mkdir(parents=True, exist_ok=True)
    recording = folder / f"{server.name}-{row.name.replace(' ', '-')}.perf"
    rounds = Rounds([server], benchmark, print)
    rounds.fill(row)
    rate = rounds.load(server, row, row.warm_up_requests, 0.3)[0].rps
    requests = max(row.least_requests, int(rate * seconds))
    words = ["perf", "record", "-q", "-g", "-F", str(FREQUENCY), "-p", str(server.pid), "-o", str(recording)]
    perf = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        time.sleep(0.3)
        load, cpu = rounds.load(server, row, requests, seconds)
    finally:
        _stop(perf)
    heading = f"{row.name} on {server.name}: {load.rps:,.0f} req/s, CPU {cpu:.2f} µs/req, while sampled"
    return f"{heading}\n{_top(recording)}\nrecording: perf report -i {recording}"


def _stop(perf: subprocess.Popen[bytes]) -> None:
    if perf.poll() is None:
        perf.send_signal(signal.SIGINT)
    try:
        _, errors = perf.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        perf.kill()
        perf.communicate()
        raise BenchFault("perf record does not end") from None
    if perf.returncode not in (0, -signal.SIGINT, 128 + signal.SIGINT):
        raise BenchFault(f"perf record ended with status {perf.returncode}: {errors.decode(errors='replace').strip()}")


def _top(recording: Path, lines: int = 45) -> str:
    words = ["perf", "report", "--stdio", "--no-children", "-g", "none", "--percent-limit", "0.4", "-i", str(recording)]
    words += ["--sort", "comm,dso,symbol"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise BenchFault(f"perf report ended with status {done.returncode}: {done.stderr.strip()}")
    symbols = [line.rstrip(" -") for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join(symbols[:lines])
