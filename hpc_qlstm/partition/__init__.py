"""Partitions of a gate's VQC into sub-VQCs."""

from hpc_qlstm.partition.partition import Order, Partition
from hpc_qlstm.partition.reachability import NEVER, Reach, steps_to_input, warnings_for

__all__ = ["NEVER", "Order", "Partition", "Reach", "steps_to_input", "warnings_for"]
