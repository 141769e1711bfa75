#!/usr/bin/env bash
# Build the kernels without Python and test them: under sanitizers, or for Arm in an emulator.
#
# usage: scripts/test_cpp.sh [sanitizers | threads | arm | plain] ...
#   sanitizers  AddressSanitizer and UndefinedBehaviorSanitizer (the default)
#   threads     ThreadSanitizer
#   arm         cross-compiled; needs aarch64-linux-gnu-g++ and qemu-aarch64
#   plain       as users get them
# Needs a C++ compiler; cmake and ninja come from the environment (scripts/environment.sh) or system.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
environment=${VIRTUAL_ENV:-$project/.venv}
PATH=$environment/bin:$PATH

build() {  # NAME [CMAKE ARGUMENT ...]
    local folder=$project/build/cpp-$1
    shift
    cmake -S "$project" -B "$folder" -G Ninja -DHPC_QLSTM_CPP_TESTS=ON "$@" >/dev/null
    cmake --build "$folder" | tail -n 1
    tests=$folder/tests/cpp
}

for kind in "${@:-sanitizers}"; do
    echo "== C++ tests: $kind"
    case $kind in
    sanitizers)
        build "$kind" -DHPC_QLSTM_SANITIZERS=address,undefined
        "$tests/test_kernels"
        "$tests/test_operations"
        "$tests/test_partition_sweep"
        "$tests/test_cell_sweep"
        "$tests/test_file_writer"
        ;;
    threads)
        build "$kind" -DHPC_QLSTM_SANITIZERS=thread
        "$tests/test_kernels" 40
        "$tests/test_partition_sweep"
        "$tests/test_cell_sweep"
        "$tests/test_file_writer"
        ;;
    arm)
        build "$kind" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
            -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
        qemu-aarch64 -L /usr/aarch64-linux-gnu "$tests/test_kernels"
        qemu-aarch64 -L /usr/aarch64-linux-gnu "$tests/test_partition_sweep"
        qemu-aarch64 -L /usr/aarch64-linux-gnu "$tests/test_cell_sweep"
        ;;
    plain)
        build "$kind"
        "$tests/test_kernels" 1000
        "$tests/test_operations"
        "$tests/test_partition_sweep"
        "$tests/test_cell_sweep"
        "$tests/test_file_writer"
        ;;
    *)
        echo "error: $kind is not known, allowed: sanitizers, threads, arm, plain" >&2
        exit 2
        ;;
    esac
done
