"""What a configuration needs before it is run: circuits for each gradient method. Local.

A circuit is one execution with its own angles, whatever its shots. Counted are, for every sample,
time step, gate (4) and partition: 1 for the forward pass, and for the gradient 1 vector-Jacobian
product (adjoint), 2 A (parameter_shift, A variable angles) or 2 K (spsa, K directions); all of it
times the number of noise scales where zero-noise extrapolation is on. Of the extra VQCs of the
six-VQC cell one is evaluated at all steps but the last and one at the steps that are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpc_qlstm import registry
from hpc_qlstm.build.engines import check_backends
from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.config import Config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.distributed.batches import check_epoch_windows, epoch_size
from hpc_qlstm.engines.base import GRADIENTS, Gradient
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.cell import EXTRAS, LSTM_GATES


@dataclass(frozen=True)
class PartitionResources:
    """One partition's circuits: sizes, weights of all four gates and of the extra VQCs, variable
    angles and gates of one of the four, noise scales of its mitigation, calibration circuits."""

    partition: int
    qubits: int
    features: int
    outputs: int
    weights: int
    extra_weights: int
    angles: int
    gates: int
    scales: int
    calibration: int


@dataclass(frozen=True)
class CircuitDemand:
    """Circuits with one gradient method: of a full batch's step, of an epoch's training."""

    gradient: Gradient
    step: int
    training: int


@dataclass(frozen=True)
class Resources:
    """A configuration's partitions and the circuits that a run of it executes.

    evaluation: circuits of the test part in an epoch; calibration: in the whole run, on one
    replica; configured: the gradient method that the run would take; readout: weights of the linear
    readout; affine: of the maps of expectation values; mixing: of the matrices that mix gate
    outputs; total: all weights; extra: N_extra; amplitude: bytes of one.
    """

    partitions: list[PartitionResources]
    demands: list[CircuitDemand]
    evaluation: int
    calibration: int
    configured: Gradient
    input_size: int
    hidden_size: int
    readout: int
    affine: int
    mixing: int
    total: int
    extra: int
    amplitude: int

    @property
    def training(self) -> int:
        """Circuits of an epoch's training with the configured gradient method."""
        return next(d.training for d in self.demands if d.gradient == self.configured)


def resources(config: Config, data: WindowSource | None = None) -> Resources:
    """Count what the configuration needs. Raises InputError where it cannot be used."""
    data = build_source(config) if data is None else data
    check_epoch_windows(config, data)
    input_size, output_size = data.input_size, data.output_size
    model = build_plan(config, input_size, output_size)
    check_backends(config, model.partition.count)
    parts = [_of_partition(config, model, m) for m in range(model.partition.count)]
    steps, sequence = data.window, config.model.sequence
    windows = epoch_size(config, data)
    batch = min(config.training.batch_size, windows)
    # How often each circuit is evaluated for a sample: the gates' and, with fewer angles, the
    # extra VQCs'.
    gate_calls = len(LSTM_GATES) * steps
    extra_calls = (steps - 1 + (steps if sequence else 1)) if model.extra_circuits else 0
    forward = (gate_calls + extra_calls) * sum(part.scales for part in parts)
    demands = []
    for gradient in GRADIENTS:
        total = 0
        for m, part in enumerate(parts):
            total += gate_calls * _per_gradient(config, gradient, part.angles) * part.scales
            if model.extra_circuits:
                angles = model.extra_circuits[m].angle_count
                total += extra_calls * _per_gradient(config, gradient, angles) * part.scales
        demands.append(
            CircuitDemand(gradient, batch * (forward + total), windows * (forward + total))
        )
    size, layout = config.model.hidden_size, model.layout
    readout = output_size * (size + 1)
    mixing = layout.shared.stop - layout.shared.start - readout
    vqcs = sum(part.weights + part.extra_weights for part in parts)
    return Resources(
        parts,
        demands,
        data.test_count * forward,
        sum(part.calibration for part in parts),
        _configured(config),
        input_size,
        size,
        readout,
        layout.size - vqcs - readout - mixing,
        mixing,
        layout.size,
        len(EXTRAS) if model.extra_circuits else 0,
        8 if config.engine.precision == "single" else 16,
    )


def _per_gradient(config: Config, gradient: Gradient, angles: int) -> int:
    """Circuits that the gradient of one evaluation takes."""
    if gradient == "adjoint":
        return 1
    return 2 * angles if gradient == "parameter_shift" else 2 * config.engine.spsa_average


def equation_rows(found: Resources) -> list[tuple[str, str]]:
    """The paper's equations 9 to 12 with their terms, qubits and the memory of a state, as text."""
    parts = found.partitions
    size, count = found.hidden_size + found.input_size, len(parts)
    features = [part.features for part in parts]
    shared = "" if sum(features) == size else f" (their sum is {sum(features)}: parts overlap)"
    each = [part.weights // len(LSTM_GATES) for part in parts]
    gates, qubits = sum(part.weights for part in parts), [part.qubits for part in parts]
    vqcs = gates + sum(part.extra_weights for part in parts)
    more = ["affine maps"] * bool(found.affine) + ["mixing"] * bool(found.mixing)
    others = f"{', '.join(more)} and the linear readout" if more else "the linear readout"
    state = found.amplitude * 2 ** max(qubits)
    return [
        (
            "D = d_h + d_x (eq. 9)",
            f"{found.hidden_size} + {found.input_size} = {size} in M = {count} parts of "
            f"{_listed(features)}{shared}",
        ),
        ("P_VQC (eq. 10)", _listed(each)),
        ("P_gates = 4 sum P_VQC (eq. 11)", f"{gates:,}"),
        (
            f"P_total (eq. 12, N_extra = {found.extra})",
            f"{vqcs:,}, with {others} {found.total:,}",
        ),
        ("qubits", f"{sum(qubits):,} in total, at most {max(qubits)} on one of {count} processors"),
        ("memory of the largest state", f"{state:,} bytes"),
    ]


def _listed(values: list[int]) -> str:
    """Equal values once, and no more than eight."""
    if len(set(values)) == 1 and len(values) > 1:
        return f"{values[0]} each"
    return ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")


def vqc_weights(model: QLSTM, m: int) -> int:
    """Weights of all circuits of partition m, without affine maps."""
    extra = len(EXTRAS) * model.extra_circuits[m].weight_count if model.extra_circuits else 0
    return len(LSTM_GATES) * model.circuits[m].weight_count + extra


def _of_partition(config: Config, model: QLSTM, m: int) -> PartitionResources:
    circuit = model.circuits[m]
    mitigation = config.engine.of_partition(m).mitigation
    linear = config.model.gates == "linear"
    # Circuits that differ by more than the origin of their angles are calibrated apart.
    forms = {circuit.angle_form, *(c.angle_form for c in model.extra_circuits[m : m + 1])}
    gates = len(LSTM_GATES) * circuit.weight_count
    return PartitionResources(
        m,
        circuit.qubits,
        circuit.features,
        circuit.outputs,
        gates,
        vqc_weights(model, m) - gates,
        circuit.angle_count,
        len(circuit.gates),
        # An affine map is no circuit.
        0 if linear else 1 if mitigation.zne == "none" else len(mitigation.scales),
        2 * len(forms) if mitigation.readout and not linear else 0,
    )


def _configured(config: Config) -> Gradient:
    own: Gradient = registry.engines[config.engine.name].capabilities.gradient
    given = config.engine.gradient
    if given == "adjoint" and own != "adjoint":
        raise InputError(f"engine.gradient is 'adjoint', which {config.engine.name} has not")
    return own if given == "auto" else given
