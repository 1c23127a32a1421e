"""The proof that a folder is untouched: everything in it, described twice and compared.

A child process reads the files, since a descriptor closed in this process would drop SQLite's locks (see
`guard`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs

_READ = r"""
import hashlib, json, os, stat, sys
found = {}
def look(path, name):
    status = os.lstat(path)
    content = ""
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    found[name] = [oct(status.st_mode), status.st_uid, status.st_size]
    found[name] += [status.st_mtime_ns, status.st_ino, content]
    if stat.S_ISDIR(status.st_mode):
        for entry in sorted(os.listdir(path)):
            look(os.path.join(path, entry), os.path.normpath(os.path.join(name, entry)))
look(sys.argv[1], ".")
json.dump(found, sys.stdout)
"""


@attrs.frozen
class Trace:
    """One entry of a folder; `content` is a file's sha256, a symbolic link's target, else empty."""

    mode: str
    uid: int
    size_bytes: int
    mtime_ns: int
    inode: int
    content: str


def folder_fingerprint(folder: Path) -> dict[str, Trace]:
    """Every entry below the folder by its relative name, and the folder itself as ".".

    The folder's own `mtime_ns` tells of a file that was made and removed again. A plain dictionary, so that
    pytest shows which entry differs.
    """
    read = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _READ, os.fspath(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return {name: Trace(*values) for name, values in json.loads(read.stdout).items()}
