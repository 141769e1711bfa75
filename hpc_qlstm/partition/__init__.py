"""Partitions of a gate's VQC into sub-VQCs."""

from hpc_qlstm.partition.partition import STRATEGIES, Order, Partition
from hpc_qlstm.partition.reachability import NEVER, steps_to_input, warnings_for

__all__ = ["NEVER", "STRATEGIES", "Order", "Partition", "steps_to_input", "warnings_for"]
