"""Qiskit's EstimatorV2 interface as an engine: one backend per partition is a network of QPUs.

All circuits of a call are one job: a circuit, the observables Z_k and an array of angles. The
circuit is transpiled once for a backend and used again with other angles.
Gradients are those of the base class, the parameter-shift rule (arXiv 2503.14088, section II.E).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.circuits.qiskit_transpile import BoundForm, bound_form, calibration_forms
from hpc_qlstm.config import EngineConfig, MitigationConfig, NoiseConfig
from hpc_qlstm.engines import create_engine
from hpc_qlstm.engines.base import Engine, JobRecord
from hpc_qlstm.engines.primitive.estimators import estimator_source
from hpc_qlstm.engines.primitive.jobs import JobRunner
from hpc_qlstm.engines.random_stream import RandomStream
from hpc_qlstm.engines.sampling import BackendEngine
from hpc_qlstm.errors import EngineError, UnsupportedError

_MOST_QUBITS = 24
"""Of a simulator that names no size itself: 256 MiB of amplitudes."""


@dataclass(frozen=True)
class _Prepared:
    """A circuit fitted to the backend and the observables Z_k on its output qubits."""

    form: BoundForm
    observables: list[Any]


@dataclass(eq=False)
class PrimitiveEngine(BackendEngine):
    """Expectation values from a V2 primitive or backend; gradients by shifted angles.

    backend: statevector, aer, generic:QUBITS, fake_NAME, ibm:NAME, module:attribute, or an
    EstimatorV2 or BackendV2 itself. shots: of each circuit, as a precision of 1/sqrt(shots) where
    the estimator takes one; 0 for exact values, which only simulators give. seed: of simulators;
    mitigation: a MitigationConfig or its keys. optimization_level: of Qiskit's transpiler; mode:
    job, session or batch on IBM's service; options: of the estimator. retries, retry_wait,
    timeout: see `JobRunner`.
    Raises InputError for arguments that cannot be used, UnsupportedError for what the backend
    cannot do or a package that is missing.
    """

    name: ClassVar[str] = "primitive"
    config_keys = (
        *BackendEngine.config_keys, "backend", "mode", "retries", "retry_wait", "timeout",
    )  # fmt: skip
    capabilities = replace(BackendEngine.capabilities, simulated=False)

    backend: Any = "statevector"
    shots: int = 0
    seed: int = 0
    mitigation: MitigationConfig | Mapping[str, Any] | None = None
    optimization_level: int = 1
    mode: str = "job"
    options: Mapping[str, Any] | None = None
    retries: int = 3
    retry_wait: float = 1.0
    timeout: float = 0.0

    def __post_init__(self) -> None:
        super().__init__(self.shots, self.seed, self.mitigation)
        self._source = estimator_source(self.backend, self.mode, dict(self.options or {}))
        if not self.shots and not self._source.exact:
            raise UnsupportedError(
                f"engine primitive: {self._source.name} gives no exact values, allowed: shots of "
                "1 or more"
            )
        where = f"engine primitive: {self._source.name}"
        self._jobs = JobRunner(where, self.retries, self.retry_wait, self.timeout)
        self._prepared_circuits: dict[tuple[Circuit, int], _Prepared] = {}
        target = self._source.backend
        self.capabilities = replace(
            self.capabilities,
            exact=self.shots == 0,
            max_qubits=_MOST_QUBITS if target is None else int(target.num_qubits),
            gaussian=self._source.gaussian,
        )

    @classmethod
    def from_config(cls, config: EngineConfig, seed: int, threads: int) -> PrimitiveEngine:
        """See Engine."""
        return cls(seed=seed, **{key: getattr(config, key) for key in cls.config_keys})

    @classmethod
    def exact_twin(cls, config: EngineConfig, threads: int) -> Engine:
        """See Engine."""
        name = config.backend.removeprefix("ibm:")
        if name in ("statevector", "aer"):
            return create_engine("native", threads=threads)
        if name.startswith(("fake_", "generic:")):
            noise, level = NoiseConfig(backend=name), config.optimization_level
            return create_engine("aer", threads=threads, noise=noise, optimization_level=level)
        raise UnsupportedError(f"nothing here is exact for the backend {config.backend}")

    def take_jobs(self) -> list[JobRecord]:
        """The jobs whose results were used since this was last called."""
        records, self._jobs.records = self._jobs.records, []
        return records

    def close(self) -> None:
        """End a session or batch on IBM's service."""
        self._source.close()

    def _evaluate(
        self, circuit: Circuit, angles: Float, scale: int, shots: int, draw: RandomStream
    ) -> Float:
        prepared = self._prepared(circuit, scale)
        values = prepared.form.angles(angles)
        if not (shots and self._source.seeded):
            return self._job(prepared, values, shots, draw.seed())
        # A seed belongs to a job. One job a sample, so that its numbers do not depend on which
        # other samples are on this rank.
        result = np.empty((len(values), circuit.outputs))
        if not values.shape[1]:
            # Without angles every row is a PUB, and estimators seed each PUB alike: a job a row.
            for n, generator in enumerate(draw.generators()):
                seed = int(generator.integers(2**31))
                result[n : n + 1] = self._job(prepared, values[n : n + 1], shots, seed)
            return result
        for sample in np.unique(draw.sample):
            rows = np.flatnonzero(draw.sample == sample)
            seed = draw.at(int(sample)).seed()
            result[rows] = self._job(prepared, values[rows], shots, seed)
        return result

    def _calibration_values(
        self, circuit: Circuit, shots: int, draw: RandomStream
    ) -> tuple[Float, Float]:
        prepared = self._prepared(circuit, 1)
        zeros, ones = (
            self._job(replace(prepared, form=form), np.empty((1, 0)), shots, draw.at(k).seed())[0]
            for k, form in enumerate(calibration_forms(prepared.form))
        )
        return zeros, ones

    def _job(self, prepared: _Prepared, values: Float, shots: int, seed: int) -> Float:
        """<Z_k> (N, n_out) at parameter values (N, A') from one job."""
        circuit = prepared.form.circuit
        observables = [[observable] for observable in prepared.observables]
        if values.shape[1]:
            pubs: list[Any] = [(circuit, observables, values)]
        else:
            pubs = [(circuit, observables)] * len(values)

        def read(result: Any) -> Float:
            parts = [np.asarray(entry.data.evs, dtype=float) for entry in result]
            found = np.concatenate([part.reshape(len(observables), -1) for part in parts], axis=1)
            if found.shape != (len(observables), len(values)) or not np.isfinite(found).all():
                raise EngineError(
                    "the result has values that are not finite"
                    if found.shape == (len(observables), len(values))
                    else f"the result has shape {found.shape}"
                )
            return np.ascontiguousarray(found.T)

        return self._jobs.run(lambda: self._source.submit(pubs, shots, seed), read, len(values))

    def _prepared(self, circuit: Circuit, scale: int) -> _Prepared:
        key = (circuit, scale)
        if key not in self._prepared_circuits:
            from qiskit.quantum_info import SparsePauliOp

            form = bound_form(circuit, self._source.backend, scale, self.optimization_level)
            size = form.circuit.num_qubits
            observables = [
                SparsePauliOp.from_sparse_list([("Z", [k], 1.0)], size) for k in form.qubits
            ]
            self._prepared_circuits[key] = _Prepared(form, observables)
        return self._prepared_circuits[key]
