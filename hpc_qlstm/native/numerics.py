"""Sums in a fixed order, the readout and Adam: `kernels/lstm/` seen from Python.

All are local, fill arrays that the caller gives, and raise ValueError for arrays of other sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpc_qlstm.native import extension

merge_columns = extension.merge_columns
"""merge_columns(parts (P, .., width), counts, merged (.., sum of counts)): the first columns of
every part side by side."""
add_columns = extension.add_columns
"""add_columns(parts (P, .., width), ColumnList, sums (rows, n)): columns added one by one."""
ColumnList = extension.ColumnList
"""A list of (part, column there, column of the sums)."""
block_sums = extension.block_sums
"""block_sums(rows (n, w), bounds (K + 1), sums (K, w)): sums over blocks of rows, in order."""
sum_blocks = extension.sum_blocks
"""sum_blocks(rows (n, w), bounds, sum (w,)): the sum of all blocks, in block order."""
add_blocks = extension.add_blocks
"""add_blocks(received (P, K, width), rows of each replica's ranks, offsets of the positions'
sections, first shared column, first column of sections, gradient (n,)): the sum of the losses, and
that of the gradient, which it fills."""
adam = extension.adam
"""adam(beta1, beta2, step_size, root, epsilon, gradient, first, second, weights), all (n,)."""
readout = extension.readout
"""readout(hidden (n, d_h), weight (d_y, d_h), bias (d_y,), out (n, d_y))."""
squared_errors = extension.squared_errors
"""squared_errors(hidden (B, T, d_h), weight, bias, target of B * T * d_y numbers, scale, loss (B,),
to_hidden (B, T, d_h), rows (B, d_y * (d_h + 1))): the last three are filled."""
pack_sums = extension.pack_sums
"""pack_sums(loss (B,), shared (B, s), partitions (B, w), bounds, head, sent): `sum_blocks` of all
three, into columns 0, head .. head + s, and those after it, of `sent`."""


def column_list(parts: Sequence[Sequence[int]], columns: Sequence[Sequence[int]]) -> ColumnList:
    """Where gathered gradients go. Local.

    parts: for each part of the message its partitions, whose columns lie one after the other;
    columns: for each partition the columns of the sums that its own are added to.
    """
    added = []
    for number, partitions in enumerate(parts):
        begin = 0
        for m in partitions:
            added += [(number, begin + k, column) for k, column in enumerate(columns[m])]
            begin += len(columns[m])
    return ColumnList(added)
