# SPDX-License-Identifier: Apache-2.0
"""The shared library: where it is, and the functions of it that the package calls (include/hone/bind.h).

No structure crosses the border: numbers, texts, arrays and handles do, and JSON. So nothing here repeats a layout.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import pathlib
import sys
from ctypes import POINTER, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_ubyte, c_uint64, c_void_p
from typing import Any, Dict, Iterator, List, NoReturn, Optional, Tuple, Type

from . import errors

NAME = "libhone.dylib" if sys.platform == "darwin" else "libhone.so"

# As status.h numbers them; the numbers are part of the ABI.
STATUS = (
    *("OK", "ARGUMENT", "MEMORY", "IO", "FORMAT", "UNSUPPORTED", "SHAPE", "LIMIT", "NOT_FOUND", "CANCELLED", "NUMERIC"),
    "INTERNAL",
)
CANCELLED = STATUS.index("CANCELLED")

EXCEPTIONS: Dict[str, Type[errors.HoneError]] = {
    "ARGUMENT": errors.HoneArgumentError,
    "SHAPE": errors.HoneArgumentError,
    "MEMORY": errors.HoneMemoryError,
    "IO": errors.HoneFileError,
    "NOT_FOUND": errors.HoneFileError,
    "FORMAT": errors.HoneFormatError,
    "UNSUPPORTED": errors.HoneFormatError,
    "LIMIT": errors.HoneFormatError,
    "NUMERIC": errors.HoneNumericError,
}

Progress = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, c_int64, c_int64, c_char_p)

# name: (result, arguments); the result "status" is checked, and raises.
FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "hone_version": (c_char_p, []),
    "hone_cpu_level": (c_char_p, []),
    "hone_bind_error": (c_char_p, []),
    "hone_json_free": (None, [c_void_p]),
    "hone_set_sandbox": (None, [ctypes.c_bool]),
    "hone_bind_threads": ("status", [POINTER(c_void_p), c_int]),
    "hone_threads_free": (None, [c_void_p]),
    "hone_bind_load": ("status", [POINTER(c_void_p), c_char_p]),
    "hone_bind_preset": ("status", [POINTER(c_void_p), c_char_p, c_int, c_int, c_int, c_int, c_uint64]),
    "hone_bind_from_json": ("status", [POINTER(c_void_p), c_char_p, c_uint64]),
    "hone_preset_name": (c_char_p, [c_size_t]),
    "hone_model_free": (None, [c_void_p]),
    "hone_bind_save": ("status", [c_void_p, c_char_p, c_char_p]),
    "hone_bind_load_weights": ("status", [c_void_p, c_char_p, c_int, c_int]),
    "hone_bind_describe": ("status", [c_void_p, POINTER(c_void_p)]),
    "hone_bind_weight": (POINTER(c_float), [c_void_p, c_size_t]),
    "hone_bind_set_class_names": ("status", [c_void_p, c_char_p]),
    "hone_bind_set_input": ("status", [c_void_p, c_char_p]),
    "hone_bind_set_trainable": ("status", [c_void_p, c_size_t, c_int]),
    "hone_bind_plan": ("status", [POINTER(c_void_p), c_void_p, c_size_t, c_void_p]),
    "hone_plan_free": (None, [c_void_p]),
    "hone_plan_refresh": (None, [c_void_p]),
    "hone_plan_predict": (None, [c_void_p, POINTER(c_float), c_size_t, POINTER(c_float)]),
    "hone_plan_predict_pixels": (None, [c_void_p, POINTER(c_ubyte), c_size_t, POINTER(c_float)]),
    "hone_bind_fit": (
        "status",
        [c_void_p, POINTER(c_ubyte), POINTER(c_float), POINTER(c_int32), c_size_t, c_char_p, c_void_p, Progress, c_void_p]
        + [POINTER(c_void_p)],
    ),
    "hone_bind_evaluate": (
        "status",
        [c_void_p, POINTER(c_ubyte), POINTER(c_float), POINTER(c_int32), c_size_t, c_char_p, c_void_p, POINTER(c_void_p)],
    ),
}


def candidates() -> Iterator[str]:
    """Where the library may be, the first that exists counts: $HONE_LIBRARY, the package, the checkout, the system."""
    given = os.environ.get("HONE_LIBRARY")
    if given:
        yield given
        return
    here = pathlib.Path(__file__).resolve().parent
    yield str(here / NAME)
    yield str(here.parent.parent / "build" / "src" / NAME)
    found = ctypes.util.find_library("hone")
    if found:
        yield found


# Whose names are files'; what others do not find is an argument.
OF_FILES = ("hone_bind_load", "hone_bind_save", "hone_bind_load_weights")


def raise_error(function: str, status: int, hint: Optional[str] = None) -> NoReturn:
    name = STATUS[status] if 0 <= status < len(STATUS) else "INTERNAL"
    kind = EXCEPTIONS.get(name, errors.HoneError)
    if name == "NOT_FOUND" and function not in OF_FILES:
        kind = errors.HoneArgumentError
    message = library.hone_bind_error().decode("utf-8", "replace")
    raise kind(message or name.lower(), name, hint)


def load_library() -> ctypes.CDLL:
    tried = []
    for path in candidates():
        if os.path.isabs(path) and not os.path.exists(path):
            tried.append(path)
            continue
        try:
            library = ctypes.CDLL(path)
            break
        except OSError as why:
            raise ImportError(f"hone: the library '{path}' cannot be loaded: {why}") from None
    else:
        raise ImportError(
            f"hone: there is no {NAME}, looked for in {', '.join(tried) or 'the system'}\n"
            "hint: 'pip install ./python' in the checkout builds it, HONE_LIBRARY names one that is elsewhere"
        )
    for name, (result, arguments) in FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"hone: the library '{path}' has no '{name}': it is of another version") from None
        function.argtypes = arguments
        function.restype = c_int if result == "status" else result
    return library


library = load_library()


def call(name: str, *arguments: Any, hint: Optional[str] = None) -> None:
    """Calls a function that returns a status, and raises what it says."""
    status = getattr(library, name)(*arguments)
    if status != 0:
        raise_error(name, status, hint)


def take_text(pointer: c_void_p) -> str:
    """A text that the library made, which is freed."""
    try:
        return ctypes.string_at(pointer.value or b"").decode("utf-8")
    finally:
        library.hone_json_free(pointer)
