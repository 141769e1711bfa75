#!/usr/bin/env bash
# Run the whole test suite: without ranks, then under mpirun with 1, 2, 3 and 4 ranks.
#
# usage: scripts/test.sh [PYTEST ARGUMENT ...]
# Where there are two cores, two files of tests run at a time; with the argument -n0 one test does.
# Installs what it needs into the active virtual environment, or into .venv; see environment.sh.
set -euo pipefail
# shellcheck source=scripts/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "test"

cd "$project"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# nproc would say what OMP_NUM_THREADS says.
workers=$(($(env -u OMP_NUM_THREADS nproc) > 1 ? 2 : 0))
pytest -n "$workers" --dist loadfile --no-loadscope-reorder "$@"
for ranks in 1 2 3 4; do
    echo "== mpirun -n $ranks"
    mpirun -n "$ranks" python tests/mpi/run_rank.py "$@"
done
