# What a site changes, all of it in this file. Sourced by the job scripts; see docs/guide/slurm.md.

# Modules with the site's MPI and Python, for example:
# module load openmpi python

# The virtual environment that hpc-qlstm is installed in.
HPC_QLSTM_ENV=${HPC_QLSTM_ENV:-$SLURM_SUBMIT_DIR/.venv}

# What starts the ranks: mpirun (the MPI library's own) or srun.
HPC_QLSTM_LAUNCHER=${HPC_QLSTM_LAUNCHER:-mpirun}

# How srun and the MPI library find each other; `srun --mpi=list` shows what the site has.
HPC_QLSTM_SRUN_MPI=${HPC_QLSTM_SRUN_MPI:-pmix}

# Further options of mpirun, for example those that choose the interconnect.
HPC_QLSTM_MPIRUN_OPTIONS=${HPC_QLSTM_MPIRUN_OPTIONS:-}
