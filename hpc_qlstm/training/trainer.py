"""The training loop: epochs of batches, evaluation, metrics, checkpoints. Collective."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np

from hpc_qlstm.build.setup import Setup
from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.config_io import config_text
from hpc_qlstm.distributed.batches import Batch, batches, epoch_size
from hpc_qlstm.distributed.counting import CircuitCounts, LocalCounter
from hpc_qlstm.distributed.diagnostics import (
    diagnostics_record,
    expectation_variances,
    gradient_norms,
)
from hpc_qlstm.distributed.model import TESTING, StepResult
from hpc_qlstm.distributed.rank_reports import EpochReport, gather_report
from hpc_qlstm.distributed.scores import score
from hpc_qlstm.errors import EngineError, TrainingError
from hpc_qlstm.model import LSTM_GATES
from hpc_qlstm.runs.checkpoint import compare_names
from hpc_qlstm.runs.checkpoint_format import Checkpoint, Snapshot
from hpc_qlstm.runs.compatibility import (
    circuits_fingerprint,
    require_same_circuits,
    require_same_data,
    require_same_training,
)
from hpc_qlstm.runs.json_lines import Record
from hpc_qlstm.training.optimizers import clip, create_optimizer, learning_rate
from hpc_qlstm.training.state import RunContent, State, restored, snapshot
from hpc_qlstm.training.stopping import StopRequested


class Trainer:
    """Trains a set-up model; every rank makes one and calls the same methods.

    The weights of every rank are equal at all times: rank 0's optimizer changes them and a Bcast
    shares them. weights: initial weights by name instead of the configured random ones.
    wants_to_stop: asked on every rank once a batch; any rank's non-zero answer stops all of them.
    after_batch: called on every rank when a batch is done and the epoch goes on.
    step_seconds: what each training step of the newest epoch took on this rank, batch by batch.
    """

    def __init__(
        self,
        setup: Setup,
        weights: dict[str, Float] | None = None,
        wants_to_stop: Callable[[], int] = lambda: 0,
        after_batch: Callable[[], None] = lambda: None,
    ) -> None:
        self.config, self.data, self.model = setup.config, setup.data, setup.model
        self._training = setup.config.training
        layout = self.model.model.layout
        if weights is None:
            initial = layout.initial(self._training.seed, self.config.model.init_scale)
        else:
            initial = layout.flatten(weights)
        self.state = State(initial, best=initial.copy())
        self._optimizer = create_optimizer(self._training, layout.size)
        self._jobs: list[dict[str, Any]] = []
        self.step_seconds: list[float] = []
        self.wants_to_stop = wants_to_stop
        self.after_batch = after_batch

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return -(-epoch_size(self.config, self.data) // self._training.batch_size)

    @property
    def history(self) -> list[Record]:
        """The records of all epochs done."""
        return self.state.history

    def run_epoch(self) -> Record:
        """Train one epoch, or what is left of it, and evaluate; returns and remembers its record.

        When it raises EngineError, TrainingError or StopRequested, the state is that of the last
        batch that was finished, which can be saved and gone on from.
        """
        start = perf_counter()
        local, state = self.model.local, self.state
        local.reset_seconds()
        self.step_seconds = []
        rate = learning_rate(self._training, state.epoch)
        counter, before = LocalCounter(local.engines), state.counts
        try:
            left = batches(self.config, self.data, self.model.grid, state.epoch, state.batch)
            # What is not finite is found in the sums, and told with one message.
            with np.errstate(over="ignore", invalid="ignore"):
                for number, batch in enumerate(left, state.batch):
                    begin = perf_counter()
                    result = self._train_batch(batch, rate, number, counter)
                    state.losses.append(result.loss)
                    self.step_seconds.append(perf_counter() - begin)
                    state.batch = number + 1
                    self._act_on_notes(result.notes, before)
            counter.evaluating()
            data, step = self.data, (TESTING, state.epoch)
            test = score(self.model, state.weights, data.test, data.test_count, step)
            self._require_finite("the test loss", test.mse)
        except (EngineError, TrainingError, StopRequested):
            # All ranks are here together: what happened has reached every one of them.
            self._gather(counter, before, start)
            raise
        report = self._gather(counter, before, start)
        train_loss = float(np.mean(state.losses))
        state.epoch += 1
        record: Record = {
            "epoch": state.epoch,
            "train_loss": train_loss,
            "test_loss": test.mse,
            "test_r2": test.r2,
            "learning_rate": rate,
            "circuits": asdict(state.counts),
        }
        if state.diagnostics.size:
            gates = len(LSTM_GATES)
            record["diagnostics"] = diagnostics_record(
                self.model.model.layout, state.diagnostics[:gates], state.diagnostics[gates:]
            )
        record["messages"] = asdict(report.traffic)
        record["seconds"] = report.of_root() | self.data.timings()
        record["ranks"] = report.of_ranks()
        state.batch, state.losses, state.counts = 0, [], CircuitCounts()
        state.diagnostics = np.empty(0)
        if test.mse < state.best_loss:
            state.best, state.best_epoch = state.weights.copy(), state.epoch
            state.best_loss = test.mse
        state.history.append(record)
        return record

    def take_jobs(self) -> list[dict[str, Any]]:
        """The jobs of backends on all ranks since this was last called. Local."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def _act_on_notes(self, notes: Float, before: CircuitCounts) -> None:
        """After a batch: what all ranks have run, and whether any of them wants to stop."""
        requests, executed, calibrated = np.add.reduce(notes, axis=0).tolist()
        self.state.counts = before + CircuitCounts(int(executed), 0, int(calibrated))
        if requests:
            raise StopRequested(int(notes[:, 0].max()))
        if self.state.batch < self.batches:
            self.after_batch()

    def _gather(self, counter: LocalCounter, before: CircuitCounts, start: float) -> EpochReport:
        """All ranks' reports since the counter began, their circuits and jobs added up here.

        start: when the epoch began, by `perf_counter`.
        """
        state, local = self.state, self.model.local
        seconds = perf_counter() - start, local.seconds
        jobs = [asdict(job) for engine in local.engines for job in engine.take_jobs()]
        report = gather_report(self.model.comm, self.model.group, seconds, counter.counts(), jobs)
        state.counts = before + report.counts
        if self.model.comm.rank == 0:  # who writes them
            for rank, done in enumerate(report.jobs):
                where = {"epoch": state.epoch + 1, "rank": rank}
                self._jobs += [{**where, **job} for job in done]
        return report

    def snapshot(self) -> Snapshot:
        """The whole state, copied, to be made a checkpoint later. Local."""
        return snapshot(self.state, self._optimizer, self._run)

    def restore(self, stored: Checkpoint) -> None:
        """Go on from a checkpoint. Local; raises InputError for another model's or other data's."""
        layout = self.model.model.layout
        expected = layout.views(self.state.weights)
        compare_names(stored.weights, expected, "checkpoint weights")
        compare_names(stored.best, expected, "checkpoint best weights")
        require_same_training(stored, self.config)
        require_same_data(stored, self.data, self.config.data.source)
        require_same_circuits(stored, self._circuits)
        self._optimizer.restore(stored.optimizer_steps, stored.optimizer)
        self.state = restored(stored, layout)

    @cached_property
    def _run(self) -> RunContent:
        """What all checkpoints of a run have in common: the configuration, and the data."""
        scalers = {"feature": self.data.feature_scaler, "target": self.data.target_scaler}
        circuits = circuits_fingerprint(self._circuits)
        data = {"fingerprint": self.data.fingerprint, "circuits": circuits}
        for name, scaler in scalers.items():
            data |= {f"{name}.offset": scaler.offset, f"{name}.factor": scaler.factor}
        layout = self.model.model.layout
        return RunContent(config_text(self.config), data, layout, self._training.seed)

    @property
    def _circuits(self) -> tuple[Circuit, ...]:
        model = self.model.model
        return (*model.circuits, *model.extra_circuits)

    def _train_batch(
        self, batch: Batch, rate: float, number: int, counter: LocalCounter
    ) -> StepResult:
        weights, (x, y) = self.state.weights, batch

        def notes() -> tuple[int, int, int]:
            own = counter.counts()
            return self.wants_to_stop(), own.training, own.calibration

        result = self.model.step(
            weights, x, y, (self.state.epoch, number), notes, with_expectations=number == 0
        )
        gradient = result.gradient
        self._require_finite(f"batch {number + 1}: the loss", result.loss)
        self._require_finite(f"batch {number + 1}: the gradient", result.gradient_sum)
        if result.expectations is not None:
            norms = gradient_norms(self.model.model.layout, gradient)
            variances = expectation_variances(result.expectations)
            self.state.diagnostics = np.concatenate([variances, norms])
        if self.model.comm.rank == 0:
            clip(gradient, self._training.clip_norm)
            self._optimizer.step(weights, gradient, rate)
        self.model.share_weights(weights)
        return result

    def _require_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"epoch {self.state.epoch + 1}, {what} is {value}; "
                "a smaller learning_rate or clip_norm may help",
                shared=True,  # every rank has the same numbers
            )
