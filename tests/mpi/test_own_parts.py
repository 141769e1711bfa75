"""Parts from outside the package give the same bits on every number of ranks."""

from __future__ import annotations

import numpy as np
import own_parts
import pytest

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.parallel import SerialCommunicator, open_communicator
from hpc_qlstm.training.trainer import Trainer

pytestmark = pytest.mark.mpi


@pytest.mark.parametrize("overlap", ["on", "auto"])
@pytest.mark.parametrize("settings", [own_parts.SETTINGS, own_parts.PROCESSORS], ids=["one", "own"])
def test_own_parts_on_ranks(configured, comm, agree, settings, overlap):
    weights = []
    with own_parts.registered():
        data = {"options": {"points": 14}, "window": 2}
        config = configured(**settings, data=data, parallel={"overlap": overlap})
        for chosen in (open_communicator(comm), SerialCommunicator()):
            trainer = Trainer(set_up(config, chosen))
            trainer.run_epoch()
            weights.append(trainer.state.weights)
    agree(np.array_equal(*weights))
