"""The layout of the weights in one flat array, and their initial values."""

import numpy as np
import pytest

from hpc_qlstm.circuits import ansatz
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import WeightLayout


def layout_of(*sizes, hidden=3, outputs=2):
    circuits = [ansatz("rot_ring", qubits=q, features=f, outputs=n, depth=2) for q, f, n in sizes]
    return WeightLayout(tuple(circuits), hidden, outputs)


TWO = layout_of((3, 3, 2), (2, 1, 1))


def test_layout_sections_and_views():
    assert TWO.offsets == (0, 4 * 18, 4 * 18 + 4 * 12, 4 * 30 + 2 * 4)
    assert TWO.size == 128
    assert TWO.section(range(1, 2)) == slice(72, 120)
    assert TWO.section(range(2)) == slice(0, 120)
    assert TWO.readout == slice(120, 128)
    flat = np.arange(128.0)
    views = TWO.views(flat)
    assert list(views)[:3] == ["forget.0", "forget.1", "input.0"]
    assert list(views)[-2:] == ["readout.weight", "readout.bias"]
    assert len(views) == 10
    shapes = {name: view.shape for name, view in views.items()}
    assert shapes["output.0"] == (2, 3, 3)
    assert shapes["candidate.1"] == (2, 2, 3)
    assert (shapes["readout.weight"], shapes["readout.bias"]) == ((2, 3), (2,))
    assert views["output.1"].ravel()[0] == 72 + 3 * 12
    assert sorted(np.concatenate([v.ravel() for v in views.values()])) == list(flat)
    views["input.1"][0, 0, 0] = -1
    assert flat[72 + 12] == -1


def test_flatten_is_the_inverse_of_views():
    flat = np.random.default_rng(0).normal(size=TWO.size)
    named = {name: view.copy() for name, view in reversed(TWO.views(flat).items())}
    again = TWO.flatten(named)
    np.testing.assert_array_equal(again, flat)
    again[:] = 0
    assert all(array.any() for array in named.values())
    named["readout.bias"] = [1, 2]
    assert TWO.flatten(named)[-2:].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forget.2": np.zeros(1)}, "weights: 'forget.2' is not one of this model's"),
        ({"input.1": None}, "weights: 'input.1' is missing"),
        ({"input.1": np.zeros((2, 2, 2))}, r"'input.1' has shape \(2, 2, 2\), allowed: \("),
        ({"readout.bias": np.zeros(1)}, r"'readout.bias' has shape \(1,\)"),
        (
            {"readout.bias": np.zeros(2, complex)},
            r"'readout.bias' is no array of real numbers \(complex128",
        ),
        ({"readout.bias": ["a", "b"]}, "'readout.bias' is no array of real numbers"),
    ],
)
def test_flatten_refuses(change, message):
    named = {**TWO.views(np.zeros(TWO.size)), **change}
    with pytest.raises(InputError, match=message):
        TWO.flatten({name: array for name, array in named.items() if array is not None})


def test_initial_weights_depend_on_seed_gate_and_partition_alone():
    one, two = layout_of((3, 3, 3)), layout_of((3, 3, 2), (3, 3, 1))
    alone, both = (layout.views(layout.initial(seed=7)) for layout in (one, two))
    for gate in ("forget", "input", "candidate", "output"):
        np.testing.assert_array_equal(alone[f"{gate}.0"], both[f"{gate}.0"])
        assert (both[f"{gate}.0"] != both[f"{gate}.1"]).all()
    assert (both["forget.1"] != both["input.1"]).all()
    np.testing.assert_array_equal(alone["readout.weight"], both["readout.weight"])
    assert (two.initial(8) != two.initial(7)).all()


def test_distributions_of_the_initial_weights():
    layout = layout_of((20, 20, 16), hidden=16, outputs=40)
    flat = layout.initial(seed=1, scale=0.01)
    circuits, readout = flat[: layout.readout.start], flat[layout.readout]
    assert circuits.std() == pytest.approx(0.01, rel=0.1)
    assert abs(circuits.mean()) < 1e-3
    bound = 1 / np.sqrt(16)
    assert 0.95 * bound < np.abs(readout).max() <= bound
    assert readout.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    assert (layout.initial(1, scale=0.0)[: layout.readout.start] == 0).all()
