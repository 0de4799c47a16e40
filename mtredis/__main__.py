"""The command `mtredis-server`, also `python -m mtredis`: reads the command line and runs a server.

A free-threaded interpreter turns the GIL back on when an extension that does not declare itself is imported (hiredis,
for one). So the process starts itself once more with PYTHON_GIL=0 unless the user has decided otherwise.
"""

import os
import sys
import sysconfig
from collections.abc import Sequence


def _start_without_gil() -> None:
    """Replaces the process by the same one with the GIL switched off; returns when there is nothing to do."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED") or "PYTHON_GIL" in os.environ or "gil" in sys._xoptions:
        return
    os.environ["PYTHON_GIL"] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "mtredis", *sys.argv[1:]])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: the process's); the exit status."""
    if argv is None:
        _start_without_gil()
    from mtredis.server import main as serve

    return serve(list(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
