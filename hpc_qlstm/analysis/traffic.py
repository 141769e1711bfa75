"""How much the ranks of a run tell each other: counted from sizes, before anything runs. Local."""

from __future__ import annotations

from dataclasses import dataclass

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.config import Config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.distributed.batches import epoch_size
from hpc_qlstm.distributed.messages import message_plan, traffic
from hpc_qlstm.distributed.model import PREDICTION_ROWS
from hpc_qlstm.parallel import Traffic


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
    """The messages of a run on this many ranks; `parallel.overlap` "auto" counts as off.

    Raises InputError where they do not fit.
    """
    model = build_plan(config, data.input_size, data.output_size)
    plan, steps = message_plan(model, ranks, config.parallel), data.window
    overlap = config.parallel.overlap == "on"
    batches = _pieces(epoch_size(config, data), config.training.batch_size)
    tested = _pieces(data.test_count, PREDICTION_ROWS)
    told = [traffic(plan.training(batch, steps, overlap=overlap)) for batch in batches]
    return RunTraffic(
        ranks,
        told[0],
        sum(told, traffic([plan.expectations(batches[0])])),
        sum((traffic(plan.evaluation(rows, steps)) for rows in tested), Traffic()),
    )


def _pieces(whole: int, size: int) -> list[int]:
    return [min(size, whole - k) for k in range(0, whole, size)]
