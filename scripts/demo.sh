#!/usr/bin/env bash
# Train a distributed QLSTM (two partitions, two MPI ranks) on the damped pendulum.
#
# usage: scripts/demo.sh [--set SECTION.KEY=VALUE ...]
# Installs what it needs into the active virtual environment, or into .venv; see environment.sh.
set -euo pipefail
# shellcheck source=scripts/environment.sh
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" ""

cd "$project"
mpirun -n 2 hpc-qlstm train examples/damped_pendulum.toml "$@"
