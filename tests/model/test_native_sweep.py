"""The native engine's sweep over partitions and time steps, beside one call for each partition."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hpc_qlstm import Partition
from hpc_qlstm.engines.fused import ForwardArrays, ReverseArrays
from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.model import QLSTM
from hpc_qlstm.native import extension, numerics
from hpc_qlstm.native.kernels import find_kernel

MODELS = {
    "alone": {"partition": Partition.contiguous(5, 3, 1), "input_size": 2},
    "unequal": {
        "partition": Partition([[0, 3], [1, 2, 4, 0], [2]], [1, 1, 1], [3, 4, 1]),
        "input_size": 2,
    },
    "order xh, sequence": {
        "partition": Partition.overlap(5, 3, 3),
        "input_size": 2,
        "order": "xh",
        "sequence": True,
    },
    "six VQCs, mixed": {
        "partition": Partition.strided(5, 3, 2),
        "input_size": 2,
        "extra_vqcs": 2,
        "mix": True,
    },
    "no hidden unit read": {"partition": Partition([[3, 4], [0, 1, 2]], [2, 1]), "input_size": 2},
}


def problem(options, engine, batch=7, steps=4):
    model = QLSTM(hidden_size=3, output_size=2, depth=2, engine=engine, **options)
    rng = np.random.default_rng(5)
    weights = model.init(3, 0.7)
    x = rng.uniform(-1, 1, (batch, steps, model.input_size))
    y = rng.uniform(-1, 1, model.prediction_shape(x))
    return model, weights, x, y


def everything(model, weights, x, y):
    loss, gradient = model.loss_and_gradient(weights, x, y)
    return [
        np.array(loss), *gradient.values(), model.input_gradient(weights, x, y),
        model.predict(weights, x),
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits_as_one_call_a_partition(name, steps):
    options = MODELS[name]
    together = problem(options, NativeEngine(threads=1), steps=steps)
    # An engine of its own for each partition takes the other path.
    engines = [NativeEngine(threads=1) for _ in options["partition"].inputs]
    engines = engines if len(engines) > 1 else [NativeEngine(threads=1)]
    apart = problem(options, engines, steps=steps)
    if len(engines) > 1:
        assert together[0].local_cell(range(1)).gates.fused is not None
        assert apart[0].local_cell(range(len(engines))).gates.fused is None
    for ours, theirs in zip(everything(*together), everything(*apart), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    counted = sum(engine.executions for engine in apart[0].engines)
    assert together[0].engines[0].executions == counted


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("mode", ["auto", "state"])
def test_threads_over_partitions_change_no_bit(mode, threads):
    partition = Partition.broadcast_input(13, 12, 12)
    results = []
    for count in (1, threads):
        engine = NativeEngine(threads=count, mode=mode)
        model = QLSTM(1, 12, 1, depth=1, partition=partition, engine=engine)
        rng = np.random.default_rng(0)
        x, y = rng.uniform(-1, 1, (5, 3, 1)), rng.uniform(-1, 1, (5, 1))
        results.append(everything(model, model.init(0, 0.5), x, y))
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)


def test_a_thousand_partitions_share_their_circuits():
    model = QLSTM(1, 600, 1, depth=1, partition=Partition.broadcast_input(601, 600, 300))
    assert len({id(circuit) for circuit in model.circuits}) == 1
    loss, _ = model.loss_and_gradient(model.init(), np.zeros((2, 2, 1)), np.zeros((2, 1)))
    assert np.isfinite(loss)


def two_partitions():
    """Their native sweeps, the local cell, flat weights and x of 3 samples and 2 steps."""
    model = QLSTM(1, 4, 1, depth=1, partition=Partition.broadcast_input(5, 4, 2))
    local = model.local_cell(range(2))
    sweeps = local.gates.fused
    assert sweeps is not None
    return sweeps, local, model.layout.initial(0), np.zeros((3, 2, 1))


def test_sweeps_of_other_sizes_are_refused():
    """What would read or write beyond the arrays is refused, not done."""
    sweeps, local, flat, x = two_partitions()
    state, outputs = np.zeros((3, 4)), np.zeros((4, 3, 4))
    sweeps.begin(flat, x, outputs).forward(1, state)
    for message, flat_given, state_given, outputs_given in (
        (
            "state has width 3, allowed: more than 3, which member 1",
            flat,
            np.zeros((3, 3)),
            outputs,
        ),
        (r"state has shape \(2, 4\), allowed: \(3, columns\)", flat, np.zeros((2, 4)), outputs),
        (r"outputs have shape .* allowed: \(4, 3, 4 or more\)", flat, state, np.zeros((4, 3, 3))),
        ("weights have size 20, allowed: room for 4 times", flat[:20], state, outputs),
    ):
        with pytest.raises(ValueError, match=message):
            sweeps.begin(flat_given, x, outputs_given).forward(1, state_given)
    with pytest.raises(ValueError, match="t is 2, allowed: less than 2"):
        sweeps.begin(flat, x, outputs).forward(2, state)
    with pytest.raises(ValueError, match="threads is 0, allowed: 1 or more"):
        sweeps.begin(flat, x, outputs)._sweep.forward(0, 0, state, x, flat, outputs)
    sweep = sweeps.begin(flat, x, outputs)
    sweep.forward(0, state)
    good = {
        "cotangents": np.zeros((4, 3, 4)),
        "rows": np.zeros((3, local.weights)),
        "grad_inputs": np.zeros((3, 6)),
    }
    sweep.reverse(0, **good)
    for message, name, shape in (
        ("cotangents have width 3, allowed: .* member 1", "cotangents", (4, 3, 3)),
        (r"cotangents have shape \(4, 2, 4\), allowed: \(4, 3, d_h\)", "cotangents", (4, 2, 4)),
        ("rows have width .*, allowed: .* member 1", "rows", (3, local.weights - 1)),
        (r"rows have shape \(2, ", "rows", (2, local.weights)),
        (r"grad_inputs have shape \(3, 5\), allowed: \(3, 6 or more\)", "grad_inputs", (3, 5)),
    ):
        with pytest.raises(ValueError, match=message):
            sweep.reverse(0, **{**good, name: np.zeros(shape)})


def test_ties_to_arrays_of_other_sizes_are_refused():
    sweeps, local, flat, x = two_partitions()

    def zeros(*shape):
        return np.zeros(shape)

    def tie(**others):
        sent = others.pop("sent", zeros(4, 3, 4))
        given = {
            "gathered": sent[None], "counts": [4], "hidden": zeros(3, 4),
            "outputs": zeros(1, 3, 4), "sequence": False, "updates": True,
        } | others  # fmt: skip
        tape = sweeps.begin(flat, x, sent)
        return tape, tape.with_cell(ForwardArrays(**given))

    tape, tied = tie()
    for message, others in (
        (r"outputs have shape .* \(4, 3, 4 or more\)", {"sent": zeros(4, 3, 3)}),
        (r"outputs have shape \(3, 3, 4\)", {"sent": zeros(3, 3, 4)}),
        ("counts have the sum 3, allowed: 4, the columns of state", {"counts": [3]}),
        (r"counts are \[5\], allowed: at most 4", {"counts": [5]}),
        (r"gathered has shape .* allowed: \(2, 4, 3, 4\)", {"counts": [2, 2]}),
        (r"gathered has shape \(2, 4, 3, 4\)", {"gathered": zeros(2, 4, 3, 4)}),
        (r"gathered has shape \(1, 4, 2, 4\)", {"gathered": zeros(1, 4, 2, 4)}),
        ("allowed: 3, the columns of state", {"hidden": zeros(3, 3)}),
        (r"state has shape \(2, 4\), allowed: \(3, 4\)", {"hidden": zeros(2, 4)}),
        (r"read has shape \(2, 3, 4\), allowed: \(1, 3, 4\)", {"outputs": zeros(2, 3, 4)}),
        (r"read has shape \(1, 3, 4\), allowed: \(2, 3, 4\)", {"sequence": True}),
        (r"read has shape \(1, 2, 4\)", {"outputs": zeros(1, 2, 4)}),
        (r"h0 has shape \(3, 3\), allowed: \(3, 4\)", {"h0": zeros(3, 3), "c0": zeros(3, 4)}),
        (r"c0 has shape \(2, 4\), allowed: \(3, 4\)", {"h0": zeros(3, 4), "c0": zeros(2, 4)}),
    ):
        with pytest.raises(ValueError, match=message):
            tie(**others)
    columns = local_columns([[0, 1, 4], [2, 3, 4]])
    good = {
        "grad_outputs": zeros(1, 3, 4), "rows": zeros(3, local.weights), "grad_inputs": zeros(3, 6),
        "gathered": zeros(1, 3, 6), "columns": columns, "hidden_begin": 0,
        "cotangents": zeros(4, 3, 4), "grad_x": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match="start_back comes before steps back"):
        tied.cell_backward(1)
    tape.start_back(ReverseArrays(**good))
    outside = local_columns([[0, 1, 5], [2, 3, 4]])
    for message, others in (
        (
            r"grad_read has shape \(2, 3, 4\), allowed: \(1, 3, 4\)",
            {"grad_outputs": zeros(2, 3, 4)},
        ),
        ("rows have width .*, allowed: .* member 1", {"rows": zeros(3, local.weights - 1)}),
        (r"rows have shape \(2, ", {"rows": zeros(2, local.weights)}),
        (r"grad_inputs have shape \(3, 5\)", {"grad_inputs": zeros(3, 5)}),
        (r"gathered has shape .* \(parts, 3, 6\)", {"gathered": zeros(1, 3, 7)}),
        ("hidden_begin is 2, allowed: 0 or 1", {"hidden_begin": 2}),
        ("columns lie outside .*: 1 parts of 6 columns, 5 sums", {"columns": outside}),
        (r"cotangents have shape \(4, 3, 3\)", {"cotangents": zeros(4, 3, 3)}),
        (r"grad_x has shape \(3, 1, 1\), allowed: \(3, 2, 1\)", {"grad_x": zeros(3, 1, 1)}),
        (r"grad_h has shape \(3, 3\)", {"grad_h": zeros(3, 3), "grad_c": zeros(3, 4)}),
        (r"grad_c has shape \(2, 4\)", {"grad_h": zeros(3, 4), "grad_c": zeros(2, 4)}),
    ):
        with pytest.raises(ValueError, match=message):
            tape.start_back(ReverseArrays(**good | others))
    for call in (
        tied.evaluate,
        tied.update,
        tied.forward_step,
        tied.cell_backward,
        tied.reverse,
        tied.backward_step,
    ):
        call(1)
        with pytest.raises(ValueError, match="t is 2, allowed: less than 2"):
            call(2)
    _, follower = tie(updates=False)
    follower.evaluate(1)
    with pytest.raises(ValueError, match="does not update the cell"):
        follower.update(1)


def test_a_forward_only_sweep():
    """The same outputs with the memory of one step, and no backward pass."""
    model, weights, x, _ = problem(MODELS["unequal"], NativeEngine(threads=1))
    flat, sweeps = model.layout.flatten(weights), model.local_cell(range(3)).gates.fused
    assert sweeps is not None
    rng, found = np.random.default_rng(0), []
    states = rng.uniform(-1, 1, (4, 7, 3))
    for back in (True, False):
        outputs = np.zeros((4, 7, 3))
        sweep = sweeps.begin(flat, x, outputs, back=back)
        for t in range(4):
            sweep.forward(t, states[t])
            found.append(outputs.copy())
    np.testing.assert_array_equal(found[:4], found[4:])
    with pytest.raises(ValueError, match="without a way back"):
        sweep.reverse(3, np.zeros((4, 7, 3)), np.zeros((7, 99)), np.zeros((7, 9)))
    arrays = outputs[None], [3], np.zeros((7, 3)), np.zeros((1, 7, 3)), False, True
    sweep.with_cell(ForwardArrays(*arrays))
    with pytest.raises(ValueError, match="without a way back"):
        sweep.start_back(
            ReverseArrays(
                np.zeros((1, 7, 3)), np.zeros((7, 99)), np.zeros((7, 9)), np.zeros((1, 7, 9)),
                local_columns([[0], [1], [2]]), 0, np.zeros((4, 7, 3)),
            )
        )  # fmt: skip
    cell = extension.Cell(find_kernel(), 2, 6, False)
    cell.forward(0, np.zeros((4, 6)), np.zeros(6))
    with pytest.raises(ValueError, match="without a way back"):
        cell.reverse(0, np.zeros(6), np.zeros((4, 6)))


def test_a_tie_ends_when_the_sweep_begins_anew():
    sweeps, _, flat, x = two_partitions()
    outputs = np.zeros((4, 3, 4))
    sweep = sweeps.begin(flat, x, outputs)
    arrays = outputs[None], [4], np.zeros((3, 4)), np.zeros((1, 3, 4)), False, True
    tied = sweep.with_cell(ForwardArrays(*arrays))
    tied.evaluate(1)
    sweep._sweep.begin(2, 3)
    with pytest.raises(ValueError, match="start comes first, again whenever the gates begin anew"):
        tied.evaluate(1)
    with pytest.raises((MemoryError, ValueError)):
        sweep._sweep.begin(2**45, 2)
    with pytest.raises(ValueError, match="t is 0, allowed: less than 0"):
        sweep.forward(0, np.zeros((3, 4)))


def test_a_sweep_keeps_its_plans_alive():
    model = QLSTM(1, 2, 1, depth=1)
    sweeps = model.local_cell(range(1)).gates.fused
    assert sweeps is not None
    plan = sweeps.members[0].plan
    before = sys.getrefcount(plan)
    sweep = extension.PartitionSweep(sweeps.kernels.kernel, sweeps.members, 4)
    assert sys.getrefcount(plan) == before + 1
    del sweep
    assert sys.getrefcount(plan) == before


def test_a_member_says_what_it_was_made_of():
    sweeps, *_ = two_partitions()
    given = {
        "plan": sweeps.members[0].plan, "picks": [0, 3, -1], "weights_begin": 1, "rows_begin": 2,
        "output_begin": 3,
    }  # fmt: skip
    member = extension.Member(**given)
    assert {name: getattr(member, name) for name in given} == given
    with pytest.raises(ValueError, match="picks are 2, allowed: 3, one for each feature"):
        extension.Member(**given | {"picks": [0, 1]})
    with pytest.raises(TypeError):
        extension.Member(*given.values())
    with pytest.raises(TypeError):
        extension.Member(**given | {"plan": None})
    with pytest.raises(TypeError):
        extension.PartitionSweep(find_kernel(), [tuple(given.values())], 4)
    with pytest.raises(AttributeError):
        member.rows_begin = 0


def local_columns(inputs):
    return numerics.column_list([range(len(inputs))], inputs)
