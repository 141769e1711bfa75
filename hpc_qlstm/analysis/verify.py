"""Every engine that is here on a configuration's own circuits, against each other. Collective.

Random features, weights and cotangents; outputs and gradients are compared with those of an exact
engine, so that a broken installation shows before a long run does. The configured engine is
compared too where it samples: with an exact engine of the same noise, by z-scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np

from hpc_qlstm.analysis.sampled import sampled_and_exact, samples, z_scores
from hpc_qlstm.build.setup import place_model, require_circuits
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.circuits import Circuit
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.engines import Engine, create_engine
from hpc_qlstm.errors import EngineError, HpcQlstmError, UnsupportedError
from hpc_qlstm.model.cell import LSTM_GATES
from hpc_qlstm.parallel import Communicator, on_root, take_gpu, threads_per_rank, together

SAMPLES = 2
LIMITS = {"double": 1e-10, "single": 1e-4}
"""Largest difference that an exact engine may have, by its precision."""


@dataclass(frozen=True)
class Verdict:
    """One engine on one circuit: largest differences, seconds of a gradient, or why there is none.

    The differences of a sampled engine are z-scores. `reason` is empty where the engine ran;
    outputs and gradients are NaN where it did not. failed: it could be had, and broke.
    """

    partitions: tuple[int, ...]
    circuit: str
    engine: str
    outputs: float = math.nan
    gradients: float = math.nan
    limit: float = math.nan
    seconds: float = math.nan
    reason: str = ""
    sampled: bool = False
    failed: bool = False

    @property
    def good(self) -> bool:
        """Whether the engine agrees; one that cannot be had here is no failure."""
        if self.reason:
            return not self.failed
        return self.outputs <= self.limit and self.gradients <= self.limit


def verify(config: Config, comm: Communicator) -> list[Verdict]:
    """Compare all engines on every distinct circuit of the configured model.

    Each rank takes the circuits of its own partitions; every rank gets all verdicts. Raises
    InputError for a configuration that cannot be used.
    """
    take_gpu(comm)  # whatever engine is configured: Aer on a GPU is tried too
    on_root(comm, lambda: require_circuits(config, "to compare engines on"))
    sizes = on_root(comm, lambda: _data_sizes(config))
    placed = place_model(config, comm, *sizes)
    kinds: dict[Circuit, list[int]] = {}
    for m in placed.grid.partitions:
        for group in placed.model.layout.groups:
            where = kinds.setdefault(placed.model.layout.circuit(m, group), [])
            where += [m] if m not in where else []
    threads = config.engine.threads or threads_per_rank(comm)

    def compare() -> list[Verdict]:
        verdicts = [v for c, where in kinds.items() for v in _compare(config, c, tuple(where))]
        if samples(config):
            for m in placed.grid.partitions:
                verdicts.append(_compare_sampled(config, m, placed.model.circuits[m], threads))
        return verdicts

    own = together(comm, compare)
    gathered = comm.allgather_object(own if placed.grid.replica == 0 else [])
    placed.free()
    return [verdict for verdicts in gathered for verdict in verdicts]


def _random_arrays(config: Config, circuit: Circuit, m: int) -> tuple[Float, Float, Float]:
    """Features (B, D_m), weights (4, *weight_shape) and cotangents (4, B, n_out)."""
    rng = np.random.default_rng([config.training.seed, m])
    return (
        rng.uniform(-1, 1, (SAMPLES, circuit.features)),
        rng.normal(size=(len(LSTM_GATES), *circuit.weight_shape)),
        rng.normal(size=(len(LSTM_GATES), SAMPLES, circuit.outputs)),
    )


def _verdict(
    where: tuple[int, ...],
    circuit: Circuit,
    engine: str,
    compare: Callable[[], tuple[float, float, float, float]],
    sampled: bool = False,
) -> Verdict:
    """What `compare` finds (outputs, gradients, limit, seconds), or why it finds nothing."""
    text = f"{circuit.qubits} qubits, {len(circuit.gates)} gates"
    try:
        return Verdict(where, text, engine, *compare(), sampled=sampled)
    except HpcQlstmError as error:
        failed = isinstance(error, EngineError)
        return Verdict(where, text, engine, reason=str(error), sampled=sampled, failed=failed)


def _compare_sampled(config: Config, m: int, circuit: Circuit, threads: int) -> Verdict:
    """The configured engine of partition m against an exact one with its noise."""
    engine = config.engine.of_partition(m)
    place = engine.backend if engine.takes("backend") else engine.noise.backend
    name = f"{engine.name}, {engine.shots} shots" + (f", {place}" if place else "")
    features, weights, _ = _random_arrays(config, circuit, m)

    def compare() -> tuple[float, float, float, float]:
        if not engine.shots:
            raise UnsupportedError("exact, no shots")
        engines = sampled_and_exact(config, m, threads)
        start = perf_counter()
        scores = z_scores(*engines, circuit, features, weights, engine.shots)
        return *scores, perf_counter() - start

    return _verdict((m,), circuit, name, compare, sampled=True)


def _data_sizes(config: Config) -> tuple[int, int]:
    data = build_source(config)
    return data.input_size, data.output_size


def _engines(config: Config) -> Iterator[tuple[str, str, Callable[[], Engine]]]:
    """Name, precision and maker of each engine; the first that works is the others' measure."""
    native = partial(create_engine, "native", threads=1)
    yield "native", "double", native
    yield "reference", "double", partial(create_engine, "reference")
    yield "native, single", "single", partial(native, precision="single")
    for device in ("CPU", "GPU"):
        for precision in ("double", "single"):
            name = f"aer, {device}" + (", single" if precision == "single" else "")
            keys = {"precision": precision, "options": dict(config.engine.options)}
            yield name, precision, partial(create_engine, "aer", device=device, **keys)


def _compare(config: Config, circuit: Circuit, where: tuple[int, ...]) -> Iterator[Verdict]:
    """Every exact engine against the first that works."""
    arrays = _random_arrays(config, circuit, where[0])
    expected: tuple[Float, Float, Float] | None = None

    def compare(make: Callable[[], Engine], limit: float) -> tuple[float, float, float, float]:
        nonlocal expected
        engine = make()
        engine.check(circuit)
        start = perf_counter()
        found = engine.vjp_group(circuit, *arrays)
        seconds = perf_counter() - start
        expected = expected or found
        outputs, *gradients = (
            float(np.max(np.abs(got - want), initial=0.0))
            for got, want in zip(found, expected, strict=True)
        )
        return outputs, float(np.max(gradients)), limit, seconds

    for name, precision, make in _engines(config):
        yield _verdict(where, circuit, name, partial(compare, make, LIMITS[precision]))
