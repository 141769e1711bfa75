"""How much the ranks of a run tell each other: counted from sizes, before anything runs. Local.

Bytes are those that must cross from one rank to another: an Allgather of parts of s bytes over P
ranks moves P (P - 1) s, a Bcast of s bytes (P - 1) s, however the MPI library routes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.config import Config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.distributed.batches import epoch_size
from hpc_qlstm.distributed.model import HEAD, PREDICTION_ROWS, batch_cuts, sent_rows
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.blocks import block_bounds, share
from hpc_qlstm.model.cell import GATES
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.parallel import ProcessGrid, Traffic, process_grid

_NUMBER = 8
"""Bytes of a float64."""


@dataclass(frozen=True)
class RunTraffic:
    """step: of a full batch; training: of an epoch's batches; evaluation: of its test part."""

    ranks: int
    step: Traffic
    training: Traffic
    evaluation: Traffic

    @property
    def epoch(self) -> Traffic:
        """What metrics.jsonl counts for an epoch."""
        return self.training + self.evaluation


def run_traffic(config: Config, data: WindowSource, ranks: int) -> RunTraffic:
    """The messages of a run on so many ranks; `parallel.overlap` "auto" counts as off.

    Raises InputError where they do not fit.
    """
    model = build_plan(config, data.input_size, data.output_size)
    grid = process_grid(ranks, 0, partition_costs(model), config.parallel.replicas)
    replicated = config.parallel.cell_update == "replicated"
    overlap = config.parallel.overlap == "on"
    counter = _Counter(model, grid, ranks, data.window, replicated, overlap)
    windows, size = epoch_size(config, data), config.training.batch_size
    batches = [min(size, windows - k) for k in range(0, windows, size)]
    tested = data.test_count
    chunks = [min(PREDICTION_ROWS, tested - k) for k in range(0, tested, PREDICTION_ROWS)]
    return RunTraffic(
        ranks,
        counter.batch(batches[0]),
        sum(map(counter.batch, batches), counter.diagnostics(batches[0])),
        sum(map(counter.chunk, chunks), Traffic()),
    )


class _Counter:
    def __init__(
        self,
        model: QLSTM,
        grid: ProcessGrid,
        ranks: int,
        steps: int,
        replicated: bool,
        overlap: bool,
    ) -> None:
        self._overlap = overlap
        self._model, self._grid, self._ranks, self._steps = model, grid, ranks, steps
        self._replicated = replicated
        parts = model.partition
        self._outputs = max(sum(parts.outputs[m] for m in block) for block in grid.blocks)
        self._inputs = max(sum(len(parts.inputs[m]) for m in block) for block in grid.blocks)
        self._state_inputs, self._extra_calls = 0, 0
        if model.extra_circuits:
            read = model.state_inputs
            self._state_inputs = max(sum(len(read[m]) for m in block) for block in grid.blocks)
            self._extra_calls = steps - 1 + (steps if model.sequence else 1)

    def batch(self, samples: int) -> Traffic:
        """Forward, reverse, the gradients' Allgather and the weights' Bcast."""
        if self._ranks == 1:
            return Traffic()
        layout = self._model.layout
        sections = [layout.section(block) for block in self._grid.blocks]
        shared = layout.shared.stop - layout.shared.start
        width = HEAD + max(s.stop - s.start for s in sections) + shared
        blocks = max(sent_rows(block_bounds(samples), self._grid.replicas))
        total = Traffic.allgather(self._ranks, _NUMBER * blocks * width)
        total = total + Traffic.bcast(self._ranks, _NUMBER * layout.size)
        hidden = self._model.hidden_size
        for rows in self._pieces(samples):
            total = total + self._forward(rows)
            total = total + self._sweep(rows, self._inputs, len(GATES) * hidden)
            back = self._sweep(rows, self._state_inputs, hidden, times=self._extra_calls)
            total = total + back
        return total

    def diagnostics(self, samples: int) -> Traffic:
        """The Allgather of expectation values at an epoch's first batch."""
        if self._ranks == 1:
            return Traffic()
        numbers = len(GATES) * max(self._shares(samples)) * self._outputs
        return Traffic.allgather(self._ranks, _NUMBER * numbers)

    def chunk(self, samples: int) -> Traffic:
        """Forward, and the predictions' Allgather."""
        if self._ranks == 1:
            return Traffic()
        shares = list(self._shares(samples))
        values = self._model.output_size * (self._steps if self._model.sequence else 1)
        total = Traffic.allgather(self._ranks, _NUMBER * max(shares) * values)
        for rows in shares:
            total = total + self._forward(rows)
        return total

    def _forward(self, rows: int) -> Traffic:
        """A row's forward sweep: the gates' outputs and o*tanh(c_t), the extra VQCs' outputs."""
        gates = self._sweep(rows, self._outputs * len(GATES), self._model.hidden_size)
        return gates + self._sweep(rows, self._outputs, 0, times=self._extra_calls)

    def _shares(self, samples: int) -> Iterator[int]:
        """Samples of each replica that has any."""
        bounds = block_bounds(samples)
        for replica in range(self._grid.replicas):
            mine = share(bounds, replica, self._grid.replicas)
            if len(mine) > 1:
                yield mine[-1] - mine[0]

    def _pieces(self, samples: int) -> Iterator[int]:
        """Samples of each part of a replica's share that goes through the time steps by itself."""
        for rows in self._shares(samples):
            cuts = [0, *(batch_cuts(rows) if self._overlap else []), rows]
            yield from (end - begin for begin, end in itertools.pairwise(cuts))

    def _sweep(self, rows: int, gathered: int, shared: int, times: int | None = None) -> Traffic:
        """All time steps of a row in one direction, or so many: numbers a sample that are moved.

        shared: of the Bcast; 0 for none."""
        ranks = self._grid.row_size
        if ranks == 1:
            return Traffic()
        step = Traffic.allgather(ranks, _NUMBER * rows * gathered)
        if shared and not self._replicated:
            step = step + Traffic.bcast(ranks, _NUMBER * rows * shared)
        return step.times(self._steps if times is None else times)
