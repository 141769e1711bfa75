#!/usr/bin/env bash
# Write hpc_qlstm/_native.pyi, the types of the compiled extension, from the installed extension.
#
# usage: scripts/stub.sh [--check]
#   --check  write nothing; fail when the file is not what would be written
# Needs nanobind and ruff from the environment (the extra `test`).
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=${VIRTUAL_ENV:-$project/.venv}/bin
stub=$project/hpc_qlstm/_native.pyi

case ${1:-} in
"" | --check) ;;
*)
    echo "error: $1 is not known, allowed: --check" >&2
    exit 2
    ;;
esac
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
"$bin/python" -m nanobind.stubgen -q -m hpc_qlstm._native -o "$made/_native.pyi"
"$bin/ruff" format --quiet --config "$project/pyproject.toml" "$made/_native.pyi"
if [ "${1:-}" != --check ]; then
    cp "$made/_native.pyi" "$stub"
elif ! diff -u "$stub" "$made/_native.pyi"; then
    echo "error: hpc_qlstm/_native.pyi differs from the extension; run scripts/stub.sh" >&2
    exit 1
fi
