"""The folder of the log: its files by name, and the manifest on disk.

Idea: what must be done so that a step is still done after a crash is done here: a file has its name on disk before the
manifest speaks of it, and the manifest is replaced as a whole.

Owner: the executor; `unlink_all` is for any thread. Texts of the log are those of redis-server 8.0.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mtredis.durability import files
from mtredis.durability.aof import manifest as manifests
from mtredis.durability.aof.manifest import Manifest, ManifestError
from mtredis.durability.loading import LoadError
from mtredis.ops import log


class Folder:
    """`appenddirname` in `dir`, as the configuration says at this moment."""

    def __init__(self, config: Any) -> None:
        self._config = config

    @property
    def prefix(self) -> str:
        """What the names of the files begin with."""
        return str(self._config.appendfilename)

    @property
    def name(self) -> str:
        return str(self._config.appenddirname)

    @property
    def path(self) -> str:
        return os.path.join(self._config.dir, self.name)  # noqa: PTH118 - paths are texts here

    def file(self, name: str) -> str:
        """The path of a file in it."""
        return os.path.join(self.path, name)  # noqa: PTH118

    @property
    def manifest_path(self) -> str:
        return self.file(f"{self.prefix}.manifest")

    @property
    def temporary_increment(self) -> str:
        """The name of the increment that no manifest names yet."""
        return f"temp-{self.prefix}.incr"

    @property
    def temporary_base(self) -> str:
        """The path under which a base is written."""
        return os.path.join(self._config.dir, f"temp-rewriteaof-bg-{os.getpid()}.aof")  # noqa: PTH118

    def make(self) -> None:
        """It is there; its name, too, after a crash. Raises OSError."""
        try:
            os.mkdir(self.path, 0o755)  # noqa: PTH102
        except FileExistsError:
            if not Path(self.path).is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
            return
        files.sync_directory(self._config.dir)

    def cannot_make(self, error: OSError) -> str:
        """What the log says then."""
        return f"Can't open or create append-only dir {self.name}: {error.strerror}"

    # --- the manifest ------------------------------------------------------------------------------------------------

    def has_manifest(self) -> bool:
        return Path(self.manifest_path).is_file()

    def read_manifest(self) -> Manifest:
        """The manifest on disk; an empty one if there is none. Raises LoadError."""
        if not self.has_manifest():
            return Manifest()
        path = self.manifest_path
        try:
            return manifests.parse(Path(path).read_bytes())
        except OSError as error:
            raise LoadError(
                f"Fatal error: can't open the AOF manifest file {path} for reading: {error.strerror}"
            ) from None
        except ManifestError as error:
            log.warning("\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
            if error.line is not None:
                log.warning(f"Reading the manifest file, at line {error.line[0]}\n")
                log.warning(f">>> '{error.line[1]}'\n")
            raise LoadError(str(error)) from None

    def persist(self, manifest: Manifest) -> bool:
        """The manifest is on disk; False, and the log says why: it is (perhaps) not."""
        name, target = os.path.basename(self.manifest_path), self.manifest_path  # noqa: PTH119
        temporary = self.file(f"temp-{name}")
        step = "open"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                step, data = "write", manifest.text()
                while data:
                    data = data[os.write(descriptor, data) :]
                step = "sync"
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            step = "rename"
            os.rename(temporary, target)  # noqa: PTH104
            step = "folder"
            files.sync_directory(self.path)
        except OSError as error:
            log.warning(_manifest_failure(step, name, temporary, target, error))
            return False
        return True

    def upgrade(self, manifest: Manifest) -> Manifest:
        """A log in one file, as Redis kept it before version 7, becomes the base; the manifest then. LoadError."""
        old = os.path.join(self._config.dir, self.prefix)  # noqa: PTH118
        if not Path(old).is_file():
            return manifest
        base = manifest.base
        was_interrupted = (
            base is not None and not manifest.increments and base.name == self.prefix
            and not Path(self.file(self.prefix)).is_file()
        )  # fmt: skip
        if not (manifest.is_empty or was_interrupted):
            return manifest
        try:
            self.make()
        except OSError as error:
            raise LoadError(self.cannot_make(error)) from None
        manifest = Manifest.of_old_file(self.prefix)
        if not self.persist(manifest):
            raise LoadError("The old AOF file cannot be made part of the AOF directory.")
        self._move_in(old)
        return manifest

    def _move_in(self, old: str) -> None:
        try:
            os.rename(old, self.file(self.prefix))  # noqa: PTH104
            files.sync_directory(self.path)
            files.sync_directory(self._config.dir)
        except OSError as error:
            raise LoadError(
                f"Error trying to move the old AOF file {self.prefix} into dir {self.name}: {error.strerror}"
            ) from None
        log.notice(
            f"Successfully migrated an old-style AOF file ({self.prefix}) into the AOF directory ({self.name})."
        )

    # --- files -------------------------------------------------------------------------------------------------------

    def open(self, name: str, flags: int = 0) -> int:
        """A descriptor that appends to the file, which is made if need be. Raises OSError."""
        return os.open(self.file(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | flags, 0o644)

    def size_of(self, name: str) -> int:
        """Bytes of a file; 0, and the log says why, if nobody knows."""
        try:
            return os.stat(self.file(name)).st_size  # noqa: PTH116
        except OSError as error:
            log.warning(f"Unable to obtain the AOF file {name} length. stat: {error.strerror}")
            return 0

    def move(self, kind: str, source: str, name: str) -> bool:
        """A file that is whole takes its name, and would have it after a crash; False, and the log says why: not."""
        try:
            os.rename(source, self.file(name))  # noqa: PTH104
            files.sync_directory(self.path)
        except OSError as error:
            log.warning(
                f"Error trying to rename the temporary AOF {kind} file {source} into {self.file(name)}: "
                f"{error.strerror}"
            )
            return False
        shown = os.path.basename(source)  # noqa: PTH119
        log.notice(f"Successfully renamed the temporary AOF {kind} file {shown} into {name}")
        return True

    def paths(self, names: Iterable[str]) -> list[str]:
        return [self.file(name) for name in names]


def unlink_all(paths: Iterable[str]) -> None:
    """The files are gone, as far as that can be."""
    for path in paths:
        try:
            files.remove_quietly(path)
        except OSError as error:
            log.warning(f"Can't remove {path}: {error.strerror}")


def _manifest_failure(step: str, name: str, temporary: str, target: str, error: OSError) -> str:
    """What the log says of a manifest that could not be replaced."""
    short = os.path.basename(temporary)  # noqa: PTH119
    texts = {
        "open": f"Can't open the AOF manifest file {short}",
        "write": f"Error trying to write the temporary AOF manifest file {short}",
        "sync": f"Fail to fsync the temp AOF file {short}",
        "rename": f"Error trying to rename the temporary AOF manifest file {short} into {name}",
        "folder": f"Fail to fsync AOF directory {target}",
    }
    return f"{texts[step]}: {error.strerror}"
