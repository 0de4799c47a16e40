"""The facts without which numbers mean nothing: machine, kernel, interpreter, versions, revision."""

import os
import platform
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent


def _printed(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=ROOT)
    except OSError as fault:
        return f"({fault})"
    return (done.stdout or done.stderr).strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def facts(redis_folder: Path) -> dict[str, Any]:
    """Everything that is recorded beside the numbers."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "load_average_before": os.getloadavg(),
        "python": sys.version,
        "python_build": "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with a GIL",
        "gil_enabled": sys._is_gil_enabled(),
        "compiler": platform.python_compiler(),
        "cflags": sysconfig.get_config_var("CFLAGS"),
        "mtredis": _printed(sys.executable, "-m", "mtredis", "--version"),
        "redis": _printed(str(redis_folder / "redis-server"), "--version"),
        "redis_benchmark": _printed(str(redis_folder / "redis-benchmark"), "--version"),
        "revision": _printed("git", "rev-parse", "HEAD"),
        "is_modified": bool(_printed("git", "status", "--porcelain")),
    }


def summary(known: dict[str, Any]) -> str:
    """The facts in one line, for above the table."""
    modified = " with changes" if known["is_modified"] else ""
    return (
        f"{known['processor']}, {known['usable_cores']} cores, Linux {known['kernel']}, "
        f"Python {known['python'].split()[0]} {known['python_build']}, revision {known['revision'][:12]}{modified}"
    )
