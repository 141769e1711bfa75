"""What a person sees while training: a progress bar on a terminal, plain lines in a batch log."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hpc_qlstm.config import Config
from hpc_qlstm.parallel import interactive
from hpc_qlstm.runs.json_lines import Record


class ProgressReport:
    """Use as a context manager around the epochs, on rank 0; silent on other ranks.

    config: epochs of the run, and between lines of a log; done: epochs done before.
    """

    def __init__(self, config: Config, done: int, console: Console | None, quiet: bool) -> None:
        self._epochs, self._log_every = config.training.epochs, config.output.log_every
        self._done = done
        self._console = console or Console(
            highlight=False, soft_wrap=True, force_terminal=interactive()
        )
        self._quiet = quiet
        self._bar: Progress | None = None

    def __enter__(self) -> ProgressReport:
        if not self._quiet and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[status]}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=self._epochs, completed=self._done, status="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, text: str) -> None:
        """One line, above the progress bar if there is one."""
        if not self._quiet:
            self._console.print(text, markup=False)

    def epoch(self, record: Record) -> None:
        """Report a finished epoch."""
        if self._bar:
            status = (
                f"train {record['train_loss']:.3e}  test {record['test_loss']:.3e}  "
                f"R2 {record['test_r2']:.4f}"
            )
            self._bar.update(self._task, completed=record["epoch"], status=status)
        elif record["epoch"] % self._log_every == 0 or record["epoch"] == self._epochs:
            self.say(
                f"epoch {record['epoch']:>5}/{self._epochs}  train {record['train_loss']:.6e}  "
                f"test {record['test_loss']:.6e}  R2 {record['test_r2']:.5f}  "
                f"lr {record['learning_rate']:.3g}  {record['seconds']['total']:.3f} s"
            )
