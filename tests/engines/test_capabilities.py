"""What engines say of themselves, and who goes by it instead of by their names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hpc_qlstm import load_config, registry
from hpc_qlstm.distributed.overlap import choose_overlap
from hpc_qlstm.engines import create_engine
from hpc_qlstm.studies.scaling.costs import predictable


@pytest.mark.parametrize("name", registry.engines.built_in)
def test_an_engine_can_do_what_its_class_says_or_less(name):
    kind = registry.engines[name]
    engine = create_engine(name)
    assert kind.name == name
    assert isinstance(engine, kind)
    assert engine.capabilities.exact
    assert engine.capabilities.max_qubits <= kind.capabilities.max_qubits
    for field in ("gradient", "precision", "shared", "simulated", "affine"):
        assert getattr(engine.capabilities, field) == getattr(kind.capabilities, field)


def test_a_quantum_processor_is_not_run_to_be_timed():
    expected = {"native": True, "reference": True, "aer": True, "primitive": False}
    for name, answer in expected.items():
        assert predictable(load_config({"engine": {"name": name}})) is answer


@pytest.mark.parametrize(
    ("name", "gradient", "tried"),
    [("native", "adjoint", True), ("native", "spsa", False), ("primitive", "adjoint", False)],
)
def test_overlap_is_tried_where_steps_cost_little(name, gradient, tried):
    local = SimpleNamespace(engines=[create_engine(name)], gradient=gradient)
    model = SimpleNamespace(can_overlap=True, overlap=None, comm=None, local=local)
    if tried:  # the first thing that a trial needs is the model
        with pytest.raises(AttributeError, match="'model'"):
            choose_overlap(model, load_config({}), None, None)
    else:
        choose_overlap(model, load_config({}), None, None)
        assert model.overlap is False
