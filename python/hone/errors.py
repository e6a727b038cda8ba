# SPDX-License-Identifier: Apache-2.0
"""hone's errors as exceptions: its words, its status, and a hint where one helps."""

from __future__ import annotations

from typing import Optional


class HoneError(Exception):
    """What libhone said. ``status`` is its name of the failure ("FORMAT", "NOT_FOUND", …); ``hint``, what may help."""

    def __init__(self, message: str, status: str = "INTERNAL", hint: Optional[str] = None):
        super().__init__(message if hint is None else f"{message}\nhint: {hint}")
        self.message = message
        self.status = status
        self.hint = hint


class HoneArgumentError(HoneError, ValueError):
    """An argument that makes no sense, or arrays whose shapes do not fit."""


class HoneFileError(HoneError, OSError):
    """A file that is not there, or that the operating system refused."""

    def __str__(self) -> str:  # OSError has a way of its own
        return str(self.args[0])


class HoneFormatError(HoneError, ValueError):
    """A file that is not what it claims to be, or outside of what hone does."""


class HoneMemoryError(HoneError, MemoryError):
    """An allocation failed."""


class HoneNumericError(HoneError, ArithmeticError):
    """The loss or a weight was no finite number any more."""
