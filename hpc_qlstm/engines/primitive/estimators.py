"""Where estimators come from: Qiskit's, Aer's, those over a backend, IBM's, or a user's own."""

from __future__ import annotations

import atexit
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpc_qlstm.engines.primitive.backends import (
    backend_by_name,
    ibm_backend,
    object_by_name,
    runtime_package,
)
from hpc_qlstm.errors import InputError

WHERE = "engine.backend"
MODES = ("job", "session", "batch")


def _nothing() -> None:
    """What most sources have to give back."""


@dataclass(frozen=True)
class EstimatorSource:
    """A place that takes jobs.

    submit(pubs, shots, seed) gives a job; backend: what circuits are transpiled for, or None;
    exact: whether shots may be 0; seeded: whether the seed decides the samples; gaussian: whether
    shots add a normal error to exact values.
    """

    name: str
    submit: Callable[[Sequence[Any], int, int], Any]
    backend: Any = None
    exact: bool = False
    seeded: bool = False
    gaussian: bool = False
    close: Callable[[], None] = _nothing


def estimator_source(backend: Any, mode: str, options: Mapping[str, Any]) -> EstimatorSource:
    """The source for a name, an EstimatorV2 or a BackendV2. Raises InputError."""
    if mode not in MODES:
        raise InputError(f"engine primitive: mode is {mode!r}, allowed: {', '.join(MODES)}")
    if mode != "job" and not (isinstance(backend, str) and backend.startswith("ibm:")):
        raise InputError(f"engine primitive: mode {mode!r} is for ibm:NAME, not for {backend!r}")
    if not isinstance(backend, str):
        return _of_object(backend, options)
    if backend == "statevector":
        return _statevector(options)
    if backend == "aer":
        return _aer(options)
    if backend.startswith("ibm:"):
        return _ibm(backend, mode, options)
    if ":" in backend and not backend.startswith("generic:"):
        return _of_object(object_by_name(backend, WHERE), options)
    try:
        return _of_backend(backend_by_name(backend, WHERE), options)
    except InputError as error:
        if "is not known, allowed: generic" in str(error):
            raise InputError(f"{error}, statevector, or aer") from None
        raise


def _statevector(options: Mapping[str, Any]) -> EstimatorSource:
    from qiskit.primitives import StatevectorEstimator

    _no_options("statevector", options)

    def submit(pubs: Sequence[Any], shots: int, seed: int) -> Any:
        return StatevectorEstimator(seed=seed).run(list(pubs), precision=_precision(shots))

    return EstimatorSource("statevector", submit, exact=True, seeded=True, gaussian=True)


def _aer(options: Mapping[str, Any]) -> EstimatorSource:
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import EstimatorV2

    _tried(lambda: AerSimulator(**options))

    def submit(pubs: Sequence[Any], shots: int, seed: int) -> Any:
        settings = {"backend_options": dict(options), "run_options": {"seed_simulator": seed}}
        return EstimatorV2(options=settings).run(list(pubs), precision=_precision(shots))

    return EstimatorSource("aer", submit, exact=True, seeded=True, gaussian=True)


def _of_object(given: Any, options: Mapping[str, Any]) -> EstimatorSource:
    from qiskit.primitives import BaseEstimatorV2
    from qiskit.providers import BackendV2

    if isinstance(given, BackendV2):
        return _of_backend(given, options)
    if not isinstance(given, BaseEstimatorV2):
        raise InputError(
            f"{WHERE}: {type(given).__name__} given, allowed: an EstimatorV2 or a BackendV2"
        )
    _no_options(type(given).__name__, options)

    def submit(pubs: Sequence[Any], shots: int, seed: int) -> Any:
        return given.run(list(pubs), precision=_precision(shots))

    # An estimator of a backend says which; circuits must be transpiled for it.
    backend = getattr(given, "backend", None)
    backend = backend() if callable(backend) else backend
    target = backend if isinstance(backend, BackendV2) else None
    return EstimatorSource(type(given).__name__, submit, target, exact=target is None)


def _of_backend(backend: Any, options: Mapping[str, Any]) -> EstimatorSource:
    from qiskit.primitives import BackendEstimatorV2

    _no_options(backend.name, options)
    seeded = _takes_seed(backend)

    def submit(pubs: Sequence[Any], shots: int, seed: int) -> Any:
        settings = {"seed_simulator": seed} if seeded else {}
        estimator = BackendEstimatorV2(backend=backend, options=settings)
        return estimator.run(list(pubs), precision=_precision(shots))

    return EstimatorSource(backend.name, submit, backend, seeded=seeded)


def _ibm(name: str, mode: str, options: Mapping[str, Any]) -> EstimatorSource:
    """IBM's service, or its client's local mode for a fake backend."""
    runtime = runtime_package(WHERE)
    backend = ibm_backend(name, WHERE)
    place: Any = backend
    close = _nothing
    if mode != "job":
        place = (runtime.Session if mode == "session" else runtime.Batch)(backend=backend)
        # A process that ends otherwise than by a finished run must not leave it open.
        close = place.close
        atexit.register(close)
    local = backend.name.startswith("fake_")

    def estimator(seed: int) -> Any:
        settings: dict[str, Any] = dict(options)
        if local:
            settings["simulator"] = {"seed_simulator": seed}
        with warnings.catch_warnings():
            # The client announces another Estimator; this one is what all its versions have.
            warnings.simplefilter("ignore", DeprecationWarning)
            return runtime.EstimatorV2(mode=place, options=settings)

    _tried(lambda: estimator(0))

    def submit(pubs: Sequence[Any], shots: int, seed: int) -> Any:
        return estimator(seed).run(list(pubs), precision=_precision(shots))

    return EstimatorSource(name, submit, backend, seeded=local, close=close)


def _precision(shots: int) -> float:
    """The standard error that estimators take instead of shots; 0 for exact values.

    A little above 1/sqrt(shots), because they round 1/precision^2 up to whole shots.
    """
    return (1.0 + 1e-12) / math.sqrt(shots) if shots else 0.0


def _takes_seed(backend: Any) -> bool:
    """Whether a backend's runs can be repeated: simulators take a seed, processors do not."""
    options = getattr(backend, "options", None)
    simulates = backend.name.startswith(("fake_", "generic_backend", "aer_simulator"))
    return simulates or (options is not None and hasattr(options, "seed_simulator"))


def _tried(make: Callable[[], Any]) -> None:
    """Make something once, so that options that cannot be are refused before a run."""
    try:
        make()
    except Exception as error:
        text = " ".join(str(error).split())
        raise InputError(f"engine.options: refused ({type(error).__name__}: {text})") from None


def _no_options(name: str, options: Mapping[str, Any]) -> None:
    if options:
        raise InputError(f"engine.options: {', '.join(options)} given, but {name} takes none")
