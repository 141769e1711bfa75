"""Qiskit backends and estimators by name."""

from __future__ import annotations

import importlib
from typing import Any

from hpc_qlstm.errors import InputError, UnsupportedError

_GENERIC = "generic:"
_FAKE = "fake_"
_IBM = "ibm:"
_ALLOWED = (
    "generic:QUBITS, a fake IBM backend such as fake_manila, ibm:NAME, or module:attribute with "
    "a BackendV2"
)
_MOST_GENERIC = 64
_GENERIC_SEED = 0


def backend_by_name(name: str, where: str) -> Any:
    """A BackendV2: generic:QUBITS, fake_NAME, ibm:NAME or module:attribute.

    where: the key that named it, for messages. Raises InputError for an unknown name and
    UnsupportedError without the package that has it.
    """
    if name.startswith(_GENERIC):
        return _generic(name, where)
    if name.startswith(_FAKE):
        return _fake(name, where)
    if name.startswith(_IBM):
        return ibm_backend(name, where)
    if ":" in name:
        found = object_by_name(name, where)
        if not hasattr(found, "target"):
            raise InputError(f"{where}: {name!r} is no BackendV2 ({type(found).__name__})")
        return found
    raise InputError(f"{where}: {name!r} is not known, allowed: {_ALLOWED}")


def ibm_backend(name: str, where: str) -> Any:
    """A backend of IBM's service through the account that is saved on this machine.

    `ibm:fake_NAME` is the fake backend of that name, to try the service's client without it.
    """
    own = name.removeprefix(_IBM)
    if own.startswith(_FAKE):
        return _fake(own, where)
    runtime = runtime_package(where)
    try:
        return runtime.QiskitRuntimeService().backend(own)
    except Exception as error:
        raise InputError(f"{where}: {name!r} cannot be opened: {error}") from None


def object_by_name(name: str, where: str) -> Any:
    """What `module:attribute` names; a function or class is called without arguments."""
    module, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a user's module may raise anything
        text = f"{type(error).__name__}: {error}"
        raise InputError(f"{where}: {name!r} cannot be found ({text})") from None
    # Instances of estimators and backends are not callable; functions and classes are.
    if not callable(found):
        return found
    try:
        return found()
    except Exception as error:
        raise InputError(f"{where}: {name!r} cannot be made: {error}") from None


def _generic(name: str, where: str) -> Any:
    from qiskit.providers.fake_provider import GenericBackendV2

    text = name.removeprefix(_GENERIC)
    if not text.isdecimal() or not 2 <= int(text) <= _MOST_GENERIC:
        raise InputError(
            f"{where}: {name!r} given, allowed: generic:QUBITS with 2 to {_MOST_GENERIC} qubits"
        )
    return _repeatable(GenericBackendV2(int(text), seed=_GENERIC_SEED))


def _fake(name: str, where: str) -> Any:
    runtime_package(where)
    import warnings

    from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of backends that were not asked for
        provider = FakeProviderForBackendV2()
    try:
        return _repeatable(provider.backend(name))
    except Exception:
        names = sorted(backend.name for backend in provider.backends())
        raise InputError(f"{where}: {name!r} is not known, allowed: {', '.join(names)}") from None


def _repeatable(backend: Any) -> Any:
    """A simulated backend whose samples do not depend on the number of threads.

    Aer seeds shots on several threads by thread; these backends simulate with Aer.
    """
    if hasattr(backend.options, "max_parallel_shots"):
        backend.set_options(max_parallel_shots=1)
    return backend


def runtime_package(where: str) -> Any:
    """The package qiskit_ibm_runtime. Raises UnsupportedError without it."""
    try:
        import qiskit_ibm_runtime
    except ImportError as error:
        raise UnsupportedError(
            f"{where}: needs the package qiskit-ibm-runtime; pip install 'hpc-qlstm[ibm]'"
        ) from error
    return qiskit_ibm_runtime
