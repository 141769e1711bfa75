"""`hpc-qlstm verify`: engines against each other on a configuration's own circuits."""

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
