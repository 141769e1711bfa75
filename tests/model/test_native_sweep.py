"""The native engine's sweep over partitions and time steps, beside one call for each partition."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hpc_qlstm import Partition
from hpc_qlstm.engines.fused import ForwardArrays, ReverseArrays
from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.blocks import block_bounds
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


def test_sums_over_blocks_are_in_order():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(37, 5)) * 10.0 ** rng.integers(-12, 12, (37, 5))
    bounds = block_bounds(37)
    sums = np.empty((len(bounds) - 1, 5))
    numerics.block_sums(rows, bounds, sums)
    for k in range(len(bounds) - 1):
        expected = rows[bounds[k]].copy()
        for row in rows[bounds[k] + 1 : bounds[k + 1]]:
            expected += row
        np.testing.assert_array_equal(sums[k], expected)


def test_gathered_blocks_are_added_by_replica_and_position():
    """Two replicas with three and two blocks, rows of two ranks with sections of 2 and 3."""
    rng = np.random.default_rng(2)
    received = rng.normal(size=(4, 3, 1 + 2 + 3))  # loss, two shared columns, a section
    gradient = np.full(2 + 3 + 2, np.nan)
    loss, total = numerics.add_blocks(received, [3, 2], [0, 2, 5], 1, 3, gradient)
    first = np.concatenate([received[0, :3], received[2, :2]])
    second = np.concatenate([received[1, :3], received[3, :2]])
    np.testing.assert_allclose(loss, first[:, 0].sum(), rtol=1e-14)
    np.testing.assert_allclose(total, gradient.sum(), rtol=1e-13)
    np.testing.assert_allclose(gradient[:2], first[:, 3:5].sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(gradient[2:5], second[:, 3:6].sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(gradient[5:], first[:, 1:3].sum(axis=0), rtol=1e-13)


def test_adam_is_that_of_its_formula():
    rng = np.random.default_rng(3)
    gradient, first, weights = rng.normal(size=(3, 9))
    second = rng.uniform(0, 1, 9)
    m, v, w = first.copy(), second.copy(), weights.copy()
    numerics.adam(0.9, 0.99, 0.3, 0.7, 1e-8, gradient, first, second, weights)
    m += (1 - 0.9) * (gradient - m)
    v = v * 0.99 + (1 - 0.99) * gradient * gradient
    w -= 0.3 * m / (np.sqrt(v) / 0.7 + 1e-8)
    for ours, theirs in ((first, m), (second, v), (weights, w)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-15)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        (r"bounds are \[0, 2\], .* last 3", lambda z: numerics.sum_blocks(z(3, 2), [0, 2], z(2))),
        (r"sum has shape \(3,\), allowed: \(2,\)",
         lambda z: numerics.sum_blocks(z(3, 2), [0, 3], z(3))),
        (r"gradient has shape \(2,\), allowed: \(3,\)",
         lambda z: numerics.adam(0.9, 0.9, 1, 1, 1, z(2), z(3), z(3), z(3))),
        (r"first has shape \(4,\), allowed: \(3,\)",
         lambda z: numerics.adam(0.9, 0.9, 1, 1, 1, z(3), z(4), z(3), z(3))),
        (r"second has shape \(2,\), allowed: \(3,\)",
         lambda z: numerics.adam(0.9, 0.9, 1, 1, 1, z(3), z(3), z(2), z(3))),
        (r"bounds are \[0, 2, 4\]", lambda z: numerics.block_sums(z(3, 2), [0, 2, 4], z(2, 2))),
        (r"bounds are \[0, 2, 2, 3\], allowed: ascending",
         lambda z: numerics.block_sums(z(3, 2), [0, 2, 2, 3], z(3, 2))),
        (r"sums have shape \(1, 3\), allowed: \(1, 2\)",
         lambda z: numerics.block_sums(z(3, 2), [0, 3], z(1, 3))),
        (r"counts are \[4\], allowed: at most 3",
         lambda z: numerics.add_blocks(z(2, 3, 6), [4], [0, 2, 5], 1, 3, z(7))),
        (r"received has shape \(2, 3, 6\), allowed: 4 columns from 3 on",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 6], 1, 3, z(8))),
        (r"received has shape \(3, 3, 6\), allowed: \(2, blocks, width\)",
         lambda z: numerics.add_blocks(z(3, 3, 6), [3], [0, 2, 5], 1, 3, z(7))),
        (r"gradient has shape \(6,\), allowed: 5 numbers and 2 more",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 5], 1, 3, z(6))),
        (r"offsets are \[0, 5, 2\], allowed: ascending",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 5, 2], 1, 3, z(7))),
        ("begin is 7, allowed: 1 to 6",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 5], 1, 7, z(7))),
        (r"parts have shape \(2, 0\)", lambda z: numerics.merge_columns(z(2, 0), [0, 0], z(0))),
        (r"parts have shape \(2, 3, 2\), allowed: \(1,",
         lambda z: numerics.merge_columns(z(2, 3, 2), [1], z(3, 1))),
        (r"counts are \[1, 3\], allowed: at most 2",
         lambda z: numerics.merge_columns(z(2, 3, 2), [1, 3], z(3, 4))),
        (r"merged has shape \(3, 4\), allowed: 9 numbers",
         lambda z: numerics.merge_columns(z(2, 3, 2), [1, 2], z(3, 4))),
        (r"sums have shape \(2, 2\), allowed: \(3, sums\)",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 0, 0)), z(2, 2))),
        ("columns lie outside .* 2 parts of 2 columns, 2 sums",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((2, 0, 0)), z(3, 2))),
        ("columns lie outside",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 2, 0)), z(3, 2))),
        ("columns lie outside",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 0, 2)), z(3, 2))),
        ("columns lie outside",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 2**32 - 1, 0)), z(3, 2))),
        (r"weight has shape \(1, 3\), allowed: \(1, 2\)",
         lambda z: numerics.readout(z(3, 2), z(1, 3), z(1), z(3, 1))),
        (r"out has shape \(3, 2\), allowed: \(3, 1\)",
         lambda z: numerics.readout(z(3, 2), z(1, 2), z(1), z(3, 2))),
        (r"weight has shape \(2, 2\)", lambda z: errors(z, weight=z(2, 2))),
        (r"target has shape \(4,\), allowed: 3 numbers", lambda z: errors(z, target=z(4))),
        (r"loss has shape \(2,\), allowed: \(3,\)", lambda z: errors(z, loss=z(2))),
        (r"grad_hidden has shape \(3, 2, 2\)", lambda z: errors(z, grad_hidden=z(3, 2, 2))),
        (r"rows have shape \(3, 2\), allowed: \(3, 3\)", lambda z: errors(z, rows=z(3, 2))),
        (r"sent has shape \(1,\), allowed: 2 and 4 numbers from 18446744073709551610 on",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 3], 2**64 - 6, z(1))),
        (r"sent has shape \(7,\), allowed: 2 and 4 numbers from 2 on",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 3], 2, z(7))),
        ("head is 0", lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 3], 0, z(8))),
        (r"bounds are \[0, 1, 2\]",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 2], 2, z(8))),
        (r"shared has shape \(2, 2\), allowed: \(3, columns\)",
         lambda z: numerics.pack_sums(z(3), z(2, 2), z(3, 4), [0, 1, 3], 2, z(8))),
        (r"partitions have shape \(2, 4\), allowed: \(3, columns\)",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(2, 4), [0, 1, 3], 2, z(8))),
        (r"z has shape \(4, 2, 2\), allowed: 24 numbers",
         lambda z: cell().forward(0, z(4, 2, 2), z(2, 3))),
        (r"c0 has shape \(5,\), allowed: 6 numbers", lambda z: cell().begin(z(5))),
        (r"grad_c has shape \(5,\)", lambda z: cell().begin_reverse(z(5))),
        (r"c has shape \(7,\)", lambda z: cell().state(z(7))),
        (r"grad_c has shape \(7,\)", lambda z: cell().grad_state(z(7))),
        (r"^c0 has shape \(5,\), allowed: 6 numbers", lambda z: cell().begin(z(5))),
        (r"^grad_c has shape \(5,\)", lambda z: cell().begin_reverse(z(5))),
        (r"^c has shape \(7,\)", lambda z: cell().state(z(7))),
        (r"^grad_c has shape \(7,\)", lambda z: cell().grad_state(z(7))),
        (r"hidden has shape \(5,\), allowed: 6 numbers",
         lambda z: cell().forward(0, z(4, 2, 3), z(5))),
        ("t is 2, allowed: less than 2", lambda z: cell().forward(2, z(4, 2, 3), z(6))),
        (r"grad_hidden has shape \(7,\)", lambda z: cell().reverse(1, z(7), z(4, 2, 3))),
        (r"grad_z has shape \(3, 2, 3\)", lambda z: cell().reverse(1, z(6), z(3, 2, 3))),
    ],
)  # fmt: skip
def test_arrays_of_other_sizes_are_refused(message, call):
    with pytest.raises(ValueError, match=message):
        call(lambda *shape: np.zeros(shape))


def errors(zeros, **others):
    """The squared errors of three samples, one step, two hidden units and one output."""
    given = {
        "hidden": zeros(3, 1, 2), "weight": zeros(1, 2), "bias": zeros(1), "target": zeros(3, 1),
        "scale": 1, "loss": zeros(3), "grad_hidden": zeros(3, 1, 2), "rows": zeros(3, 3),
    }  # fmt: skip
    numerics.squared_errors(**given | others)


def cell():
    """Two steps of two samples with three hidden units each."""
    return extension.Cell(find_kernel(), 2, 6)


def _columns(*added):
    return numerics.ColumnList(list(added))


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
        return sweeps.begin(flat, x, sent).with_cell(ForwardArrays(**given))

    tied = tie()
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
    tied.start_back(ReverseArrays(**good))
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
            tied.start_back(ReverseArrays(**good | others))
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
    follower = tie(updates=False)
    follower.evaluate(1)
    with pytest.raises(ValueError, match="does not update the cell"):
        follower.update(1)


def test_a_sweep_that_does_not_come_back():
    """The same outputs with the memory of one step, and no way back."""
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
    tied = sweep.with_cell(ForwardArrays(*arrays))
    with pytest.raises(ValueError, match="without a way back"):
        tied.start_back(
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
