"""What training and analysis need of data, wherever its windows are kept."""

from __future__ import annotations

from typing import Protocol

from hpc_qlstm.data.scaling import Scaler
from hpc_qlstm.data.series import Float
from hpc_qlstm.data.split import Rows
from hpc_qlstm.data.windows import Dataset


class WindowSource(Protocol):
    """Windows to train and to test on, scaled, numbered from 0 within their part in order of time.

    `Dataset` holds them in memory, `StreamedData` reads them when they are asked for. Local: every
    rank has a source of its own, and all are equal.
    """

    @property
    def feature_scaler(self) -> Scaler:
        """Scaling of the features."""

    @property
    def target_scaler(self) -> Scaler:
        """Scaling of the targets, to bring predictions back to their own units."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name a column."""

    @property
    def target_names(self) -> tuple[str, ...]:
        """One name a column."""

    @property
    def window(self) -> int:
        """Time steps T of a window."""

    @property
    def input_size(self) -> int:
        """Features d_x."""

    @property
    def output_size(self) -> int:
        """Targets d_y."""

    @property
    def train_count(self) -> int:
        """Windows to train on."""

    @property
    def test_count(self) -> int:
        """Windows to test on."""

    @property
    def read_ahead(self) -> int:
        """Windows to ask for at once, where that is cheaper; 1 where it does not matter."""

    @property
    def fingerprint(self) -> Float:
        """Numbers by which a checkpoint knows the windows and their scaling again."""

    def train(self, rows: Rows) -> tuple[Float, Float]:
        """Training windows x (n, T, d_x) and their targets (n, d_y) or (n, T, d_y).

        x may be a view. Raises InputError where they cannot be read.
        """

    def test(self, rows: Rows) -> tuple[Float, Float]:
        """Test windows, as `train`."""

    def sample(self, train: Rows, test: Rows) -> Dataset:
        """Copies of some windows of both parts, with their times."""

    def close(self) -> None:
        """Let go of files; no windows can be read afterwards."""

    def timings(self) -> dict[str, float]:
        """`reading`: seconds spent since this was last asked; nothing for windows in memory."""
