"""`hpc-qlstm verify`: engines against each other on a configuration's own circuits."""

import numpy as np
import pytest

from hpc_qlstm import load_config
from hpc_qlstm.analysis.verify import Verdict, verify
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.parallel import SerialCommunicator

pytest.importorskip("hpc_qlstm.engines.native", reason="the extension is not built")


def test_all_engines_agree_and_absent_ones_are_named(write_config):
    verdicts = verify(load_config(write_config()), SerialCommunicator())
    by_engine = {verdict.engine: verdict for verdict in verdicts}
    assert {"native", "reference", "native, single", "aer, GPU"} <= set(by_engine)
    # Four partitions of one circuit are compared once.
    assert len(by_engine) == len(verdicts)
    assert by_engine["native"].partitions == (0, 1, 2, 3)
    assert by_engine["reference"].outputs < 1e-14
    assert 0 < by_engine["native, single"].gradients < 1e-5
    assert all(verdict.good for verdict in verdicts)


def test_an_engine_that_is_wrong_is_found(write_config, monkeypatch):
    right = ReferenceEngine.vjp_group

    def wrong(self, *arguments):
        outputs, weights, features = right(self, *arguments)
        return outputs, weights + 1e-9, features

    monkeypatch.setattr(ReferenceEngine, "vjp_group", wrong)
    verdicts = verify(load_config(write_config()), SerialCommunicator())
    bad = [verdict for verdict in verdicts if not verdict.good]
    assert [verdict.engine for verdict in bad] == ["reference"]
    assert bad[0].gradients == pytest.approx(1e-9, rel=1e-3)


def test_not_a_number_is_no_agreement():
    nan = float("nan")
    assert not Verdict((0,), "", "native", 0.0, nan, 1e-10, 0.0).good
    assert Verdict((0,), "", "aer, GPU", nan, nan, 1e-10, nan, "no such device").good


@pytest.mark.parametrize("ranks", [None, 2])
def test_command(hpc_qlstm_run, write_config, ranks):
    done = hpc_qlstm_run("verify", write_config(), ranks=ranks)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "partitions", "circuit", "engine", "outputs", "gradients", "seconds",
    ]  # fmt: skip
    assert sum("agrees" in line for line in lines) >= 3 * (ranks or 1)


def test_command_refuses_what_train_refuses(hpc_qlstm_run, write_config):
    done = hpc_qlstm_run("verify", write_config(), "--set", "model.depth=0")
    assert done.returncode == 2
    assert "model.depth" in done.stderr


@pytest.mark.parametrize(
    "engine",
    [
        {"name": "aer", "shots": 300, "noise": {"depolarizing": 0.02, "readout": 0.05}},
        {"name": "primitive", "shots": 300, "backends": [{}, {"backend": "generic:3"}]},
    ],
)
def test_sampled_engines_by_z_scores(write_config, engine):
    config = load_config(small(write_config, engine))
    sampled = [v for v in verify(config, SerialCommunicator()) if v.sampled]
    assert [verdict.partitions for verdict in sampled] == [(0,), (1,)]
    assert all(verdict.good and not verdict.reason for verdict in sampled)
    assert all(0.5 < verdict.outputs < 6.5 for verdict in sampled)


def test_a_sampled_engine_that_is_wrong_is_found(write_config, monkeypatch):
    import hpc_qlstm.engines.aer.engine as engine

    right = engine.misread
    monkeypatch.setattr(engine, "misread", lambda p, errors: right(right(p, errors), errors))
    # The exact engine has the same fault: only one of the two may be wrong for the test.
    noise = {"name": "aer", "shots": 20_000, "noise": {"readout": 0.1}}
    config = load_config(small(write_config, noise))
    assert all(v.good for v in verify(config, SerialCommunicator()) if v.sampled)
    calls = []

    def wrong_when_sampling(self, prepared, outputs, probabilities, shots, draw):
        calls.append(shots)
        if shots:
            probabilities = right(probabilities, prepared.confusions)
        return original(self, prepared, outputs, probabilities, shots, draw)

    original = engine.AerEngine._read
    monkeypatch.setattr(engine.AerEngine, "_read", wrong_when_sampling)
    assert not any(v.good for v in verify(config, SerialCommunicator()) if v.sampled)
    assert set(calls) == {0, 20_000}


def test_a_backend_without_an_exact_twin_is_named(write_config):
    engine = {"name": "primitive", "shots": 10, "backend": "qiskit.primitives:StatevectorEstimator"}
    (first, _) = [
        v
        for v in verify(load_config(small(write_config, engine)), SerialCommunicator())
        if v.sampled
    ]
    assert first.good
    assert "nothing here is exact for the backend" in first.reason


def test_an_engine_that_breaks_is_a_difference(write_config, monkeypatch):
    from hpc_qlstm.engines.aer import AerEngine

    monkeypatch.setattr(
        AerEngine, "_evaluate", lambda _, circuit, angles, *__: np.full((len(angles), 1), np.nan)
    )
    verdicts = verify(load_config(small(write_config, {"name": "native"})), SerialCommunicator())
    bad = {verdict.engine for verdict in verdicts if not verdict.good}
    assert bad == {"aer, CPU", "aer, CPU, single"}


def small(write_config, engine):
    return write_config(
        model={"hidden_size": 2, "depth": 1},
        partition={"strategy": "broadcast_input", "count": 2},
        engine={**engine, "threads": 1},
    )
