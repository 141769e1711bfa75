"""From a configuration to the parts of a run: data, model, process grid. Collective.

Everything a user can get wrong is checked here, before the first time step: each rank checks what
it can by itself and all ranks leave together when one of them refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hpc_qlstm.build.engines import build_engines, build_gradient
from hpc_qlstm.build.sources import open_source
from hpc_qlstm.circuits import Circuit
from hpc_qlstm.circuits.user_ansatz import circuits_from_file
from hpc_qlstm.config import Config, PartitionConfig
from hpc_qlstm.data import WindowSource
from hpc_qlstm.distributed.batches import check_epoch_windows
from hpc_qlstm.distributed.model import DistributedModel
from hpc_qlstm.distributed.overlap import choose_overlap
from hpc_qlstm.engines import Engine
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.blocks import MAX_BLOCKS
from hpc_qlstm.model.classical import classical_lstm
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.parallel import (
    Communicator,
    GpuTable,
    ProcessGrid,
    process_grid,
    take_gpu,
    threads_per_rank,
    together,
)
from hpc_qlstm.partition import Order, Partition, Reach, warnings_for


@dataclass(frozen=True)
class Setup:
    """A run's parts: the same configuration on every rank, and a source of the same data."""

    config: Config
    data: WindowSource
    model: DistributedModel
    gpus: list[str]
    """Which GPU each rank uses, a line a rank; empty where none is used."""
    warnings: list[str]


def set_up(config: Config, comm: Communicator, data: WindowSource | None = None) -> Setup:
    """Load the data, build the model and place it on the ranks. Collective.

    data: windows to use instead of the configured source. Raises InputError on every rank.
    """
    if data is None:
        data = open_source(config, comm)
    together(comm, lambda: check_epoch_windows(config, data))
    gpus = choose_gpus(config, comm)
    placed = place_model(config, comm, data.input_size, data.output_size)
    warnings = reach_warnings(placed.model, config.data.window) + gpus.warnings
    if config.parallel.overlap == "auto":
        x, y = data.train(slice(0, min(config.training.batch_size, data.train_count)))
        choose_overlap(placed, config, x, y)
    useful = min(MAX_BLOCKS, config.training.batch_size)
    if placed.grid.replicas > useful:
        warnings.append(
            f"parallel: a batch of {config.training.batch_size} samples keeps {useful} of the "
            f"{placed.grid.replicas} replicas busy, the others have no work"
        )
    return Setup(config, data, placed, gpus.lines, warnings)


def reach_warnings(model: QLSTM, window: int) -> list[str]:
    """Warnings of hidden units that see the input late or never. Local."""
    reach = Reach(model.circuits, model.extra_circuits, model.layout.mix)
    sizes = model.input_size, model.hidden_size
    return warnings_for(model.partition, *sizes, model.order, window, reach)


def choose_gpus(config: Config, comm: Communicator) -> GpuTable:
    """Give each rank its GPU where the engine wants one; before any engine is made. Collective."""
    return take_gpu(comm) if config.engine.device == "GPU" else GpuTable([], [])


def place_model(
    config: Config, comm: Communicator, input_size: int, output_size: int
) -> DistributedModel:
    """Build the configured model for data of these sizes on the ranks. Collective."""
    threads = config.engine.threads or threads_per_rank(comm)

    def build() -> tuple[QLSTM, ProcessGrid]:
        model = build_model(config, input_size, output_size, threads)
        costs = partition_costs(model)
        return model, process_grid(comm.size, comm.rank, costs, config.parallel.replicas)

    model, grid = together(comm, build)
    # A rank makes the engines of its own partitions here, where a refusal reaches all ranks.
    local = together(comm, lambda: model.local_cell(grid.partitions))
    settings = config.parallel
    placed = DistributedModel(
        model,
        comm,
        grid,
        local,
        replicated=settings.cell_update == "replicated",
        collectives=settings.collectives,
        seed=config.training.seed,
    )
    together(comm, placed.check_collectives)
    placed.overlap = settings.overlap == "on"
    return placed


def require_circuits(config: Config, purpose: str) -> None:
    """InputError where the model has no circuits for this purpose. Local."""
    if config.model.gates == "linear":
        raise InputError(f"model.gates is 'linear': a classical LSTM has no circuits {purpose}")


def build_partition(
    config: PartitionConfig, size: int, hidden_size: int, order: Order
) -> Partition:
    """The configured partition of v_t, which has `size` entries. Local; raises InputError."""
    if config.inputs is not None:  # with strategy "explicit", and only there
        even = Partition.contiguous(size, hidden_size, len(config.inputs)).outputs
        return Partition(config.inputs, config.outputs or even, None).with_qubits(config.qubits)
    further = {"broadcast_input": order, "overlap": config.shared, "random": config.seed}
    arguments = [further[config.strategy]] if config.strategy in further else []
    make = getattr(Partition, config.strategy)
    partition: Partition = make(size, hidden_size, config.count or 1, *arguments)
    return partition.with_qubits(config.qubits)


def build_model(config: Config, input_size: int, output_size: int, threads: int = 1) -> QLSTM:
    """The configured QLSTM for data of these sizes. Local; raises InputError."""
    return _build(config, input_size, output_size, partial(build_engines, config, threads=threads))


def build_plan(config: Config, input_size: int, output_size: int) -> QLSTM:
    """The configured model to ask for sizes: its engines are not those configured. Local."""
    return _build(config, input_size, output_size, None)


def _build(
    config: Config,
    input_size: int,
    output_size: int,
    engines: Callable[[int], Engine | Sequence[Engine]] | None,
) -> QLSTM:
    """The configured model; engines: makes those of its partitions, None for its circuits only."""
    settings, loss = config.model, config.training.loss
    sizes = input_size, settings.hidden_size, output_size
    partition, circuits = _partitioned(config, input_size)
    if settings.gates == "linear":
        return classical_lstm(
            *sizes, settings.order, partition, sequence=settings.sequence, loss=loss
        )
    return QLSTM(
        *sizes,
        settings.ansatz,
        settings.depth,
        settings.order,
        partition,
        "native" if engines is None else engines(partition.count),
        None if engines is None else build_gradient(config),
        encoding=None if settings.encoding == "default" else settings.encoding,
        reupload=settings.reupload,
        sequence=settings.sequence,
        circuits=circuits,
        affine=settings.affine,
        extra_vqcs=settings.extra_vqcs,
        mix=settings.mix,
        loss=loss,
    )


def _partitioned(config: Config, input_size: int) -> tuple[Partition, tuple[Circuit, ...]]:
    """The configured partition, and the circuits of a user's file where there is one."""
    settings = config.model
    size = input_size + settings.hidden_size
    partition = build_partition(config.partition, size, settings.hidden_size, settings.order)
    if settings.ansatz_file is None or settings.gates == "linear":
        return partition, ()
    circuits = circuits_from_file(settings.ansatz_file, partition.inputs, partition.outputs)
    return partition.with_qubits([circuit.qubits for circuit in circuits]), circuits
