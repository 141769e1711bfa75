"""The section [engine] and its tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hpc_qlstm import registry
from hpc_qlstm.config.fields import NameIn, Probability, Section, Shots


class NoiseConfig(Section):
    """Noise of a simulated processor: by number, from a Qiskit backend, or from a file."""

    depolarizing: Probability = 0.0
    """Depolarizing probability p after every gate: rho of its n qubits becomes
    (1-p) rho + p I/2^n."""
    depolarizing_2q: Probability | None = None
    """The same after two-qubit gates; default: as `depolarizing`."""
    readout: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Probability that a measured bit is read wrong."""
    backend: str | None = None
    """A Qiskit backend whose properties give the noise, for example fake_manila or generic:5."""
    file: str | None = None
    """A JSON file with a noise model as `NoiseModel.to_dict(serializable=True)` gives it."""

    @model_validator(mode="after")
    def _one_source(self) -> NoiseConfig:
        numbers = self.depolarizing or self.depolarizing_2q or self.readout
        if sum(map(bool, (numbers, self.backend, self.file))) > 1:
            raise ValueError("numbers, backend and file are given together, allowed: one of them")
        return self

    @property
    def quiet(self) -> bool:
        """Whether there is no noise at all."""
        return self == NoiseConfig() or self == NoiseConfig(depolarizing_2q=0.0)


class MitigationConfig(Section):
    """Error mitigation; needs the package mitiq."""

    readout: bool = False
    """Undo readout errors by the confusion that calibration circuits show."""
    calibration_shots: Annotated[int, Field(ge=1, le=10_000_000)] = 16384
    """Shots of each of the two calibration circuits, where the engine samples."""
    zne: Literal["none", "linear", "quadratic", "richardson"] = "none"
    """Zero-noise extrapolation over circuits whose noise was scaled by global folding."""
    scales: Annotated[list[Annotated[int, Field(ge=1, le=99)]], Field(min_length=2)] = [1, 3, 5]
    """Noise scales of the extrapolation: increasing odd numbers."""

    @model_validator(mode="after")
    def _foldable(self) -> MitigationConfig:
        increasing = all(a < b for a, b in zip(self.scales, self.scales[1:], strict=False))
        if not increasing or any(scale % 2 == 0 for scale in self.scales):
            raise ValueError(f"scales is {self.scales}, allowed: increasing odd numbers")
        if self.zne == "quadratic" and len(self.scales) < 3:
            raise ValueError("zne 'quadratic' needs three scales or more")
        return self


class BackendConfig(Section):
    """What one partition's processor has of its own; absent keys are the engine's."""

    backend: str | None = None
    """As engine.backend."""
    shots: Shots | None = None
    """As engine.shots."""
    noise: NoiseConfig | None = None
    """As engine.noise."""
    mitigation: MitigationConfig | None = None
    """As engine.mitigation."""
    options: dict[str, bool | int | float | str] | None = None
    """As engine.options."""


class EngineConfig(Section):
    """What evaluates the circuits."""

    name: Annotated[str, NameIn(registry.engines)] = "native"
    """The engine, or a registered one of your own."""
    gradient: Literal["auto", "adjoint", "parameter_shift", "spsa"] = "auto"
    """How gradients of the circuits are taken; auto is the engine's own method."""
    spsa_step: Annotated[float, Field(gt=0, le=1)] = 0.2
    """By how much spsa shifts every angle, in radians."""
    spsa_average: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Directions that spsa averages over; each takes two circuits."""
    threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """Threads of a rank; 0: OMP_NUM_THREADS, else the rank's share of its processors."""
    device: Literal["CPU", "GPU"] = "CPU"
    """Aer's device."""
    precision: Literal["double", "single"] = "double"
    """Amplitudes of the engines native and aer; reference is double."""
    call_memory_mb: Annotated[int, Field(ge=1, le=10_000_000)] = 1024
    """Largest memory of the results of one call to Aer; larger calls are cut."""
    shots: Shots = 0
    """Shots of a circuit for aer and primitive; 0: exact expectation values."""
    noise: NoiseConfig = NoiseConfig()
    """Noise of the engine aer."""
    mitigation: MitigationConfig = MitigationConfig()
    """Error mitigation of the engines aer and primitive."""
    backend: str = "statevector"
    """Backend of the engine primitive: statevector, aer, generic:QUBITS, a fake IBM backend such as
    fake_manila, ibm:NAME for a real one, or module:attribute for an object of your own."""
    optimization_level: Annotated[int, Field(ge=0, le=3)] = 1
    """Qiskit's optimization level where circuits are transpiled for a backend."""
    mode: Literal["job", "session", "batch"] = "job"
    """Execution mode on IBM's service."""
    retries: Annotated[int, Field(ge=0, le=1000)] = 3
    """How often a failed or lost job is submitted again."""
    retry_wait: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """Seconds before the first retry; every further wait is twice as long."""
    timeout: Annotated[float, Field(ge=0, le=1e7)] = 0.0
    """Seconds after which a job counts as lost; 0: never."""
    options: dict[str, bool | int | float | str] = {}
    """Further options of AerSimulator or of the primitive, passed on as they are; the arguments of
    an engine of your own."""
    backends: list[BackendConfig] = []
    """One table for each partition, or one for all, that replaces keys of this section."""

    @model_validator(mode="after")
    def _fits_engine(self) -> EngineConfig:
        fields = type(self).model_fields
        given = {key: key for key in fields if getattr(self, key) != fields[key].default}
        for number, entry in enumerate(self.backends):
            given |= {f"backends.{number}.{key}": key for key, value in entry if value is not None}
        for path, key in given.items():
            if not self.takes(key):
                engines = " and ".join(repr(e) for e in registry.engines.names if _takes(e, key))
                several = "s" if " and " in engines else ""
                raise ValueError(f"{path} is for engine{several} {engines}, not for {self.name!r}")
        return self

    def takes(self, key: str) -> bool:
        """Whether the engine reads this key. Imports the engine unless all engines read it."""
        return _takes(self.name, key)

    def of_partition(self, m: int) -> EngineConfig:
        """The section as partition m has it, with its entry of `backends` put in."""
        if not self.backends:
            return self
        entry = self.backends[m if len(self.backends) > 1 else 0]
        own = {key: value for key, value in entry if value is not None}
        return self.model_copy(update={**own, "backends": []})


_COMMON = ("name", "gradient", "spsa_step", "spsa_average", "threads")
"""Keys of every engine."""


def _takes(engine: str, key: str) -> bool:
    if key in _COMMON:
        return True
    found = registry.engines[engine]
    if key == "backends":
        return not found.capabilities.shared
    return key in found.config_keys
