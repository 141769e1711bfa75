"""Where training stands, and how that becomes a checkpoint and comes back from one. Local."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field, replace
from functools import partial

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.distributed.counting import CircuitCounts
from hpc_qlstm.model import WeightLayout
from hpc_qlstm.runs.checkpoint_format import Checkpoint, Snapshot
from hpc_qlstm.runs.json_lines import Record
from hpc_qlstm.training.optimizers import Optimizer


@dataclass
class State:
    """Where training stands: what a checkpoint holds, in the form the loop works on.

    batch and losses: batches done of the epoch under way, and their losses; counts: the circuits
    that this epoch has run so far on all ranks, see `CircuitCounts`; diagnostics: of its first
    batch, rows of variances (4, M) and gradient norms, empty before.
    """

    weights: Float
    epoch: int = 0
    batch: int = 0
    losses: list[float] = field(default_factory=list)
    counts: CircuitCounts = field(default_factory=CircuitCounts)
    diagnostics: Float = field(default_factory=lambda: np.empty(0))
    best: Float = field(default_factory=lambda: np.empty(0))
    best_epoch: int = 0
    best_loss: float = math.inf
    history: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class RunContent:
    """What all checkpoints of a run have in common.

    config: TOML; data: scaling and fingerprints by name; layout: the names of the weights.
    """

    config: str
    data: dict[str, Float]
    layout: WeightLayout
    seed: int


def snapshot(state: State, optimizer: Optimizer, run: RunContent) -> Snapshot:
    """The whole state, copied, to be made a checkpoint later."""
    weights, losses, history = state.weights.copy(), [*state.losses], [*state.history]
    copied = replace(state, weights=weights, losses=losses, history=history)
    arrays = {name: array.copy() for name, array in optimizer.state.items()}
    make = partial(_checkpoint, copied, arrays, optimizer.steps, run)
    return Snapshot((state.epoch, state.batch), state.best_epoch, make)


def restored(stored: Checkpoint, layout: WeightLayout) -> State:
    """The state that a checkpoint of a model with this layout holds."""
    progress = stored.progress
    return State(
        layout.flatten(stored.weights),
        stored.epoch,
        stored.batch,
        progress["losses"].tolist() if stored.batch else [],
        CircuitCounts(*map(int, progress["circuits"])) if progress else CircuitCounts(),
        progress.get("diagnostics", np.empty(0)),
        layout.flatten(stored.best),
        stored.best_epoch,
        stored.best_loss,
        list(stored.history),
    )


def _checkpoint(
    state: State, optimizer: dict[str, Float], steps: int, run: RunContent
) -> Checkpoint:
    return Checkpoint(
        config=run.config,
        epoch=state.epoch,
        batch=state.batch,
        progress={
            "losses": np.array(state.losses),
            "circuits": np.array(astuple(state.counts), dtype=np.float64),
            "diagnostics": state.diagnostics,
        },
        weights=run.layout.views(state.weights),
        optimizer=optimizer,
        optimizer_steps=steps,
        history=state.history,
        best=run.layout.views(state.best),
        best_epoch=state.best_epoch,
        best_loss=state.best_loss,
        seed=run.seed,
        data=run.data,
    )
