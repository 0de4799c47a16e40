"""Files that are there after a crash: what must be done beside writing them.

Idea: a file's content is safe when it was fsynced, its name when the folder was. A file is replaced by renaming a
finished one over it, so that whoever looks finds the old or the new one, whole.

Owner: none; every function may be called from any thread. Errors are those of the operating system (OSError).
"""

import os


def sync_directory(path: str) -> None:
    """The names in the folder `path` are on disk as they are now."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_durably(temporary: str, target: str) -> None:
    """`temporary`, a file that is written and fsynced, is `target` from now on, even after a crash."""
    os.replace(temporary, target)  # noqa: PTH105
    sync_directory(os.path.dirname(target))  # noqa: PTH120 - paths are texts here


def remove_quietly(path: str) -> None:
    """The file is gone, if it was there."""
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return
