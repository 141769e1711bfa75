"""The command line on 1, 2 and 4 real ranks: the same losses and weights to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

SETTINGS = {
    "root": ["--set", "parallel.cell_update=root"],
    "replicated": ["--set", "parallel.cell_update=replicated"],
}


@pytest.fixture
def compare(hpc_qlstm_run, losses, final_weights, tmp_path):
    """Run one configuration on several numbers of ranks and compare every bit."""

    def check(config, ranks_and_updates):
        results = []
        for ranks, update in ranks_and_updates:
            folder = tmp_path / f"ranks-{ranks}-{update}"
            setting = ["--set", f"output.run_dir={folder}", *SETTINGS[update]]
            done = hpc_qlstm_run("train", config, *setting, ranks=ranks)
            assert done.returncode == 0, done.stderr
            results.append((losses(folder), final_weights(folder)))
        first_losses, first_weights = results[0]
        assert len(first_losses) == 3
        for other_losses, other_weights in results[1:]:
            assert other_losses == first_losses
            assert other_weights.keys() == first_weights.keys()
            for name, array in first_weights.items():
                assert np.array_equal(array, other_weights[name]), name

    return check


def test_four_partitions(compare, write_config):
    config = write_config(training={"shuffle": True, "clip_norm": 0.5})
    compare(
        config,
        [(None, "root"), (1, "root"), (2, "root"), (4, "root"), (2, "replicated"),
         (4, "replicated")],
    )  # fmt: skip


def test_six_vqcs_affine_maps_and_mixing(compare, write_config):
    config = write_config(
        model={"extra_vqcs": 2, "mix": True, "affine": True},
        partition={"strategy": "overlap", "count": 3},
    )
    compare(config, [(None, "root"), (2, "root"), (3, "replicated"), (6, "root")])


def test_replicas_of_one_partition(compare, write_config):
    config = write_config(partition={"strategy": "contiguous", "count": 1})
    compare(config, [(None, "root"), (2, "root"), (3, "root"), (2, "replicated")])


def test_replicas_of_two_partitions_of_unequal_size(compare, write_config):
    config = write_config(
        model={"hidden_size": 3, "order": "xh"},
        partition={"strategy": "contiguous", "count": 2},
        training={"batch_size": 5, "optimizer": "rmsprop"},
    )
    compare(config, [(None, "root"), (2, "root"), (4, "root"), (4, "replicated")])


@pytest.mark.parametrize("sequence", [False, True])
def test_threads_and_ranks(compare, write_config, sequence):
    config = write_config(
        model={"hidden_size": 8, "depth": 2, "sequence": sequence},
        partition={"strategy": "broadcast_input", "count": 2},
        engine={"threads": 2},
        training={"batch_size": 32},
    )
    compare(config, [(None, "root"), (2, "root")])


def test_aer_by_parameter_shift_on_two_ranks(hpc_qlstm_run, write_config, losses, tmp_path):
    """A small task trained end to end with Aer equals the native engine's adjoint training."""
    config = write_config(
        model={"hidden_size": 2, "depth": 1},
        partition={"strategy": "broadcast_input", "count": 2},
        data={"options": {"points": 24}, "window": 2},
        training={"epochs": 5, "batch_size": 8},
    )
    results = {}
    for engine in ("aer", "native"):
        folder = tmp_path / engine
        done = hpc_qlstm_run(
            "train", config, "--set", f"engine.name={engine}",
            "--set", f"output.run_dir={folder}", ranks=2, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        results[engine] = np.array(losses(folder))
    assert len(results["aer"]) == 5
    assert np.abs(results["aer"] - results["native"]).max() < 1e-9
    assert results["aer"][-1, 1] < results["aer"][0, 1]


SAMPLED = {
    "aer, shots": {"name": "aer", "shots": 50, "gradient": "parameter_shift"},
    "aer, noise": {
        "name": "aer",
        "shots": 50,
        "gradient": "spsa",
        "spsa_average": 2,
        "backends": [
            {"noise": {"depolarizing": 0.01, "readout": 0.02}},
            {"noise": {"backend": "generic:3"}, "shots": 3},
        ],
    },
    "primitive": {
        "name": "primitive",
        "shots": 50,
        "gradient": "spsa",
        "backends": [{"backend": "fake_manila"}, {"backend": "fake_lima"}],
    },
    "native, spsa": {"name": "native", "gradient": "spsa"},
}


@pytest.mark.parametrize("engine", SAMPLED)
def test_sampled_runs_repeat_on_any_number_of_ranks(
    hpc_qlstm_run, write_config, losses, final_weights, tmp_path, engine
):
    """Two processors with their own noise and shots: alone, on two ranks, and with replicas."""
    config = write_config(
        model={"hidden_size": 2, "depth": 1},
        partition={"strategy": "broadcast_input", "count": 2},
        data={"options": {"points": 10}, "window": 2},
        training={
            "epochs": 2 if engine == "aer, shots" else 1,
            "batch_size": 3,
            "shuffle": True,
        },
        engine=SAMPLED[engine],
    )
    results = []
    for ranks in (None, 2, 4):
        folder = tmp_path / f"ranks-{ranks}"
        done = hpc_qlstm_run("train", config, "--set", f"output.run_dir={folder}", ranks=ranks)
        assert done.returncode == 0, done.stderr
        results.append((losses(folder), final_weights(folder)))
    for other in results[1:]:
        assert other[0] == results[0][0]
        assert all(np.array_equal(other[1][name], w) for name, w in results[0][1].items())
    if engine != "aer, shots":
        return
    other_seed = tmp_path / "other-seed"
    weights = ["--set", "model.init_scale=0", "--set", f"output.run_dir={other_seed}"]
    done = hpc_qlstm_run("train", config, "--set", "training.seed=1", *weights)
    assert done.returncode == 0, done.stderr
    assert losses(other_seed) != results[0][0]
