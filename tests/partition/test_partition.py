"""Partitions: strategies, refusals, and which hidden units the input reaches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_qlstm import QLSTM
from hpc_qlstm.errors import InputError
from hpc_qlstm.partition import NEVER, Partition, Reach, reachability, steps_to_input, warnings_for

BUILDERS = {
    "contiguous": lambda d, h, m, order, k: Partition.contiguous(d, h, m),
    "strided": lambda d, h, m, order, k: Partition.strided(d, h, m),
    "broadcast_input": lambda d, h, m, order, k: Partition.broadcast_input(d, h, m, order),
    "overlap": lambda d, h, m, order, k: Partition.overlap(d, h, m, k % d),
    "random": lambda d, h, m, order, k: Partition.random(d, h, m, k),
}


def test_contiguous_is_the_papers_split():
    p = Partition.contiguous(7, 5, 3)
    assert p.inputs == ((0, 1, 2), (3, 4), (5, 6))
    assert p.outputs == (2, 2, 1)
    assert p.qubits == (3, 2, 2)
    assert p.count == 3
    assert p.output_offsets == (0, 2, 4, 5)


def test_strided():
    assert Partition.strided(7, 5, 3).inputs == ((0, 3, 6), (1, 4), (2, 5))
    assert Partition.strided(7, 5, 3).outputs == (2, 2, 1)


@pytest.mark.parametrize(
    ("order", "inputs"),
    [
        ("hx", ((0, 1, 2, 5, 6), (3, 4, 5, 6))),
        ("xh", ((0, 1, 2, 3, 4), (0, 1, 5, 6))),
    ],
)
def test_broadcast_input_gives_all_of_x_to_every_partition(order, inputs):
    p = Partition.broadcast_input(7, 5, 2, order)
    assert p.inputs == inputs
    assert p.outputs == (3, 2)
    assert p.qubits == (5, 4)


def test_overlap_shares_neighbours_but_does_not_wrap():
    assert Partition.overlap(6, 4, 3, 1).inputs == ((0, 1, 2), (1, 2, 3, 4), (3, 4, 5))
    assert Partition.overlap(6, 4, 3, 0).inputs == Partition.contiguous(6, 4, 3).inputs
    assert Partition.overlap(6, 4, 3, 5).inputs == (tuple(range(6)),) * 3


def test_random_is_a_function_of_its_seed():
    draws = {Partition.random(9, 6, 3, seed).inputs for seed in range(5)}
    assert len(draws) == 5
    assert Partition.random(9, 6, 3, 4) == Partition.random(9, 6, 3, 4)
    for inputs in draws:
        assert sorted(i for part in inputs for i in part) == list(range(9))
        assert all(list(part) == sorted(part) for part in inputs)


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("count", [0, -1, 4])
def test_counts_that_do_not_fit_are_refused(name, count):
    with pytest.raises(InputError, match=f"partition.count is {count}, allowed: 1 to 3"):
        BUILDERS[name](5, 3, count, "hx", 1)


@pytest.mark.parametrize("shared", [-1, 5])
def test_overlap_refuses_shared(shared):
    with pytest.raises(InputError, match=f"partition.shared is {shared}, allowed: 0 to 4"):
        Partition.overlap(5, 3, 2, shared)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(BUILDERS)),
    hidden=st.integers(1, 12),
    inputs=st.integers(1, 6),
    order=st.sampled_from(["hx", "xh"]),
    k=st.integers(0, 20),
    data=st.data(),
)
def test_every_strategy_covers_v_and_sums_to_hidden(name, hidden, inputs, order, k, data):
    size = hidden + inputs
    count = data.draw(st.integers(1, hidden))
    p = BUILDERS[name](size, hidden, count, order, k)
    p.check(size, hidden)
    assert {i for part in p.inputs for i in part} == set(range(size))
    assert sum(p.outputs) == hidden
    assert max(p.outputs) - min(p.outputs) <= 1
    assert list(p.outputs) == sorted(p.outputs, reverse=True)
    if name in ("contiguous", "strided", "random"):
        lengths = [len(part) for part in p.inputs]
        assert sum(lengths) == size
        assert max(lengths) - min(lengths) <= 1
    assert all(q == max(len(i), n) for i, n, q in zip(p.inputs, p.outputs, p.qubits, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "0 input lists and 0 output counts"),
        (([[0], [1]], [2]), "2 input lists and 1 output counts"),
        (([[0], []], [1, 1]), r"partition.inputs\[1\] is empty"),
        (([[0, 1, 0]], [1]), r"partition.inputs\[0\] = \[0, 1, 0\] repeats an index"),
        (([[0], [1]], [2, 0]), r"partition.outputs\[1\] is 0, allowed: 1 or more"),
        (([[0, 1], [2]], [1, 2], [2]), "partition.qubits: 1 given, allowed: 2"),
        (([[0, 1], [2]], [1, 2], [1, 2]), r"qubits\[0\] is 1, allowed: 2 or more \(2 inputs"),
        (([[0, 1], [2]], [1, 2], [2, 1]), r"qubits\[1\] is 1, allowed: 2 or more \(1 inputs, 2 o"),
    ],
)
def test_explicit_lists_that_do_not_fit_each_other(arguments, message):
    with pytest.raises(InputError, match=message):
        Partition(*arguments)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([[0, 1], [2, 4]], [2, 1], r"index 4 does not exist, allowed: 0 to 3 \(hidden 3 \+ input"),
        ([[0, 1], [2, -1]], [2, 1], "index -1 does not exist"),
        ([[0, 1], [3]], [2, 1], "index 2 is in no partition"),
        ([[0, 1], [2, 3]], [2, 2], r"\[2, 2\] sum to 4, allowed: a sum of 3"),
    ],
)
def test_check_compares_with_the_model(inputs, outputs, message):
    with pytest.raises(InputError, match=message):
        Partition(inputs, outputs).check(4, 3)


def test_with_qubits():
    p = Partition([[0, 1], [2]], [1, 2])
    assert p.with_qubits(4).qubits == (4, 4)
    assert p.with_qubits([2, 5]).qubits == (2, 5)
    assert p.with_qubits([2, 5]).with_qubits(None).qubits == (2, 2)
    assert p.with_qubits(4).inputs == p.inputs
    with pytest.raises(InputError, match=r"qubits\[0\] is 1, allowed: 2"):
        p.with_qubits(1)


def test_contiguous_halves_lock_information_in():
    # d_x = 1, d_h = 3, v = [h0 h1 | h2 x], outputs (h0 h1 | h2): h0 and h1 see only themselves.
    p = Partition.contiguous(4, 3, 2)
    assert steps_to_input(p, 1, 3, "hx").tolist() == [[NEVER], [NEVER], [1]]
    never, cut_off = warnings_for(p, 1, 3, "hx", 4)
    assert never == (
        "partition: hidden units [0, 1] can never see the input "
        "(strategy broadcast_input or overlap, deeper circuits, or model.mix may let them)"
    )
    assert "the model is cut off, 1 of 3 hidden units see the input" in cut_off
    # The other order: v = [x h0 | h1 h2]: only h2 waits, for h1.
    assert steps_to_input(p, 1, 3, "xh").tolist() == [[1], [1], [2]]
    assert warnings_for(p, 1, 3, "xh", 4) == []
    # One shared neighbour: v = [h0 h1 h2 | h1 h2 x]: the first block learns from h2.
    overlap = Partition.overlap(4, 3, 2, 1)
    assert steps_to_input(overlap, 1, 3, "hx").tolist() == [[2], [2], [1]]


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.integers(2, 6),
    inputs=st.integers(1, 3),
    order=st.sampled_from(["hx", "xh"]),
    strategy=st.sampled_from(["contiguous", "strided", "overlap", "random"]),
    depth=st.integers(1, 2),
    options=st.sampled_from([{}, {"mix": True}, {"extra_vqcs": 2}]),
)
def test_sparse_matrices_say_the_same(hidden, inputs, order, strategy, depth, options):
    """Large models use sparse matrices: they agree with dense ones where both are possible."""
    partition = BUILDERS[strategy](hidden + inputs, hidden, 2, order, 1)
    model = QLSTM(inputs, hidden, 1, "rot_ring", depth, order, partition, **options)
    reach = Reach(model.circuits, model.extra_circuits, model.layout.mix)
    arguments = (partition, inputs, hidden, order)
    expected = steps_to_input(*arguments, reach), warnings_for(*arguments, 2, reach)
    for most in (0, hidden * hidden):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reachability, "_DENSE", most)
            np.testing.assert_array_equal(steps_to_input(*arguments, reach), expected[0])
            assert warnings_for(*arguments, 2, reach) == expected[1]


def test_many_units_are_not_all_named():
    late = warnings_for(Partition.contiguous(601, 600, 300), 1, 600, "hx", 1)[0]
    assert "[0, 1, 2, " in late
    assert ", ... 598 in all] see the input only after 300 steps" in late


@pytest.mark.parametrize("order", ["hx", "xh"])
def test_broadcast_input_reaches_every_unit_at_once(order):
    p = Partition.broadcast_input(7, 4, 3, order)
    assert (steps_to_input(p, 3, 4, order) == 1).all()


def test_a_chain_takes_one_step_for_each_link():
    # Unit 3 sees x, unit 2 sees unit 3, and so on down to unit 0.
    p = Partition([[1], [2], [3, 0], [4]], [1, 1, 1, 1])
    assert steps_to_input(p, 1, 4, "hx").tolist() == [[4], [3], [2], [1]]
    assert warnings_for(p, 1, 4, "hx", 4) == []
    assert warnings_for(p, 1, 4, "hx", 2) == [
        "partition: hidden units [0, 1] see the input only after 4 steps, the window has 2"
    ]


def test_components_of_x_are_told_apart_and_a_unit_warns_only_if_it_sees_none():
    # v = [h0 h1 x0 x1]: unit 0 sees h0 and x0, unit 1 sees h1 and x1.
    p = Partition([[0, 2], [1, 3]], [1, 1])
    assert steps_to_input(p, 2, 2, "hx").tolist() == [[1, NEVER], [NEVER, 1]]
    (alone,) = warnings_for(p, 2, 2, "hx", 2)
    assert "2 of 2 hidden units see the input within the window and none of them sees" in alone
    assert warnings_for(Partition([[0, 1, 2], [1, 3]], [1, 1]), 2, 2, "hx", 2) == []
    assert warnings_for(p, 2, 2, "hx", 1) == []  # one step has no h_{t-1} to see


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.integers(1, 6),
    inputs=st.integers(1, 3),
    order=st.sampled_from(["hx", "xh"]),
    data=st.data(),
)
def test_reachability_agrees_with_following_a_pulse(hidden, inputs, order, data):
    size = hidden + inputs
    count = data.draw(st.integers(1, hidden))
    lists = data.draw(
        st.lists(
            st.lists(st.integers(0, size - 1), min_size=1, max_size=size, unique=True),
            min_size=count,
            max_size=count,
        )
    )
    p = Partition(lists, Partition.contiguous(size, hidden, count).outputs)
    unit_inputs = [lists[m] for m in range(count) for _ in range(p.outputs[m])]
    first_h, first_x = (0, hidden) if order == "hx" else (inputs, 0)
    expected = np.full((hidden, inputs), NEVER)
    for k in range(inputs):
        lit: set[int] = set()  # the hidden units that hold the pulse which entered at step 1
        for step in range(1, hidden + 2):
            pulse = {first_h + j for j in lit} | ({first_x + k} if step == 1 else set())
            lit |= {j for j in range(hidden) if pulse & set(unit_inputs[j])}
            for j in lit:
                expected[j, k] = min(expected[j, k], step)
    np.testing.assert_array_equal(steps_to_input(p, inputs, hidden, order), expected)
