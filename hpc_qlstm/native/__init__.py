"""The compiled extension, seen from Python: everything in it that is not a circuit.

`extension` is the extension itself. Modules that need its kernels, sums or system threads import
them from this folder; only the engines use its circuits.
"""

from hpc_qlstm.errors import ExtensionMissingError

try:
    from hpc_qlstm import _native as extension
except ImportError as error:
    raise ExtensionMissingError(
        "the compiled extension hpc_qlstm._native is not installed; "
        "run 'pip install .' in the project's folder"
    ) from error

__all__ = ["extension"]
