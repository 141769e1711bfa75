"""Partitions of a gate's VQC into sub-VQCs."""

from hpc_qlstm.partition.partition import Order, Partition
from hpc_qlstm.partition.reachability import NEVER, steps_to_input, warnings_for

__all__ = ["NEVER", "Order", "Partition", "steps_to_input", "warnings_for"]
