"""hpc_qlstm."""
