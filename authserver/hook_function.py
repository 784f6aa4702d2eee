"""Loads functions that the operator names in settings, and describes the errors that they raise."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any

from .domain.errors import Misconfigured

_NOT_FOUND = """{variable}={reference} cannot be used: {fault}. It names a function in a module that is
installed, or in the working folder ({folder}). For the function {name} in {module}.py:

    {variable}={module}:{name}"""


def load(variable: str, reference: str, example: str) -> Callable[..., Any]:
    """Return the function that `module:function` names. `variable` and `example` are for the message. Raises
    Misconfigured."""
    module, _, name = reference.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that nothing in the folder hides an installed module
    try:
        function = getattr(import_module(module), name)
        fault = None if callable(function) else f"{name} is not a function"
    except Exception as error:  # the module is the operator's, and may raise anything
        raise _unusable(variable, reference, f"{type(error).__name__}: {error}", example) from error
    if fault is not None:
        raise _unusable(variable, reference, fault, example)
    loaded: Callable[..., Any] = function
    return loaded


def place(error: Exception) -> str:
    """Return the kind of the error and where it was raised. Its text may contain anything."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _unusable(variable: str, reference: str, fault: str, example: str) -> Misconfigured:
    module, _, name = example.partition(":")
    words = {"variable": variable, "reference": reference, "module": module, "name": name, "folder": Path.cwd()}
    return Misconfigured(_NOT_FOUND.format(fault=fault.rstrip("."), **words))
