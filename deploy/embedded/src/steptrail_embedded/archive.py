"""Backup and restore of an embedded installation: a consistent copy of every store, with evidence and keys."""

import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from steptrail_embedded.cli.client import EXIT_USAGE, CommandFailed
from steptrail_embedded.paths import DataFolder

_LEFT_OUT = {"access.json", "steptrail.pid"}


def write(folder: DataFolder, target: Path) -> None:
    """Copy every SQLite file by SQLite's own backup (safe while the server writes), then everything else."""
    with tempfile.TemporaryDirectory(prefix="steptrail-backup-") as scratch, tarfile.open(target, "w:gz") as tar:
        target.chmod(0o600)
        for store in sorted(folder.root.glob("*.sqlite")):
            copy = Path(scratch) / store.name
            with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(copy)) as destination:
                source.backup(destination)
            tar.add(copy, store.name)
        for entry in sorted(folder.root.iterdir()):
            if ".sqlite" not in entry.name and entry.name not in _LEFT_OUT:
                tar.add(entry, entry.name)


def read(folder: DataFolder, source: Path) -> None:
    """Unpack into an empty folder; names that point outside are refused."""
    try:
        with tarfile.open(source) as tar:
            folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for member in tar:
                _unpack(tar, member, folder.root)
    except (OSError, tarfile.TarError) as error:
        raise CommandFailed(f"{source}: {error}", EXIT_USAGE) from error


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    """One file or folder, by hand: the filters of `extractall` are younger than the oldest Python we run on."""
    target = (root / member.name).resolve()
    if not (member.isfile() or member.isdir()) or not target.is_relative_to(root.resolve()):
        raise tarfile.TarError(f"{member.name} is not a file inside the data folder")
    if member.isdir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        with content, target.open("xb") as file:
            target.chmod(0o600)
            shutil.copyfileobj(content, file)
