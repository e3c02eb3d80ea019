"""Folders and files that only their owner may open: 0700 and 0600, from the moment they exist."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import PermanentError
from schemas.text import Text


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; it and the one above it are closed to others even if they
    were there. PermanentError if that cannot be done."""
    try:
        for folder in reversed([path, *path.parents]):
            folder.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        path.parent.chmod(0o700)
    except OSError as error:
        raise unwritable(path, error) from error


def private_file(path: Path) -> None:
    """Make an empty file unless it is there; closed to others either way. PermanentError if that cannot be done."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> PermanentError:
    """The error for a place that cannot be written."""
    return PermanentError(
        Text(f"cannot be written: {error.strerror}.", f"无法写入: {error.strerror}。"), where=str(path)
    )
