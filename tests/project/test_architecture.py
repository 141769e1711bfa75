"""The rules of imports: folders in layers, MPI and Qiskit in their own places and always late."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from imports import FILES, PACKAGE, imports_of

# From the bottom to the top; a folder imports from the tuples before its own, never from its own
# tuple's other members. `__init__` is what `from hpc_qlstm import QLSTM` reaches.
LAYERS = (
    ("native",),
    ("data", "circuits"),
    ("partition", "engines"),
    ("model", "parallel"),
    ("distributed", "runs"),
    ("build",),
    ("training",),
    ("analysis",),
    ("studies",),
    ("run", "info"),
    ("cli",),
    ("__init__", "__main__"),
)
FREE = ("errors", "config", "config_io", "registry")
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

QISKIT_PLACES = (
    "engines/aer",
    "engines/primitive",
    "circuits/qiskit_conversion",
    "circuits/qiskit_transpile",
    "circuits/user_ansatz",
)
# Tables of lazily loaded modules, whose entries are names of this package; and a user's own
# backend, which a configuration names.
DYNAMIC_FILES = (
    "__init__.py",
    "registry.py",
    "training/__init__.py",
    "engines/primitive/backends.py",
)


def _belongs_to(file: str, places: tuple[str, ...]) -> bool:
    return any(file == f"{place}.py" or file.startswith(f"{place}/") for place in places)


def violations(file: str, source: str) -> list[str]:
    """What is wrong with the imports of `file`, a path inside the package."""
    parts = ["hpc_qlstm", *Path(file).with_suffix("").parts]
    imports = imports_of(file, source)
    own = parts[1]
    wrong = []
    if own not in LEVEL and own not in FREE:
        wrong.append(f"{file}: {own!r} is in no layer")
    if imports.dynamic and file not in DYNAMIC_FILES:
        wrong.append(f"{file}:{imports.dynamic[0]}: imports a module by a string")
    for target, line, late in imports.found:
        top, *rest = target.split(".")
        where = f"{file}:{line}: imports {target}"
        if top == "mpi4py" and own != "parallel":
            wrong.append(f"{where}, which belongs to parallel/")
        if top.startswith("qiskit") and not _belongs_to(file, QISKIT_PLACES):
            wrong.append(f"{where}, which belongs to {', '.join(QISKIT_PLACES)}")
        if (top == "mpi4py" or top.startswith("qiskit")) and not late:
            wrong.append(f"{where} when the module is loaded")
        if top == "hpc_qlstm" and own in (*LEVEL, *FREE):
            name = rest[0] if rest else "__init__"
            name = "native" if name == "_native" else name
            name = name if name in LEVEL or name in FREE else "__init__"
            if name not in (own, *FREE) and LEVEL[name] >= LEVEL.get(own, -1):
                wrong.append(f"{where}, which is not below {own}")
            if rest[:1] == ["_native"] and own != "native":
                wrong.append(f"{where}, which belongs to native/")
    return wrong


def test_all_folders_are_read():
    assert {Path(file).parts[0] for file in FILES} >= set(LAYERS[0] + LAYERS[1] + LAYERS[2])
    assert len(FILES) > 40


@pytest.mark.parametrize("file", FILES)
def test_imports_of_the_package(file):
    assert violations(file, (PACKAGE / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("model/x.py", "from hpc_qlstm.training import train", "not below model"),
        ("model/x.py", "def f():\n    import hpc_qlstm.distributed.model", "not below model"),
        ("model/x.py", "from hpc_qlstm import cli", "not below model"),
        ("model/x.py", "from hpc_qlstm import QLSTM", "not below model"),
        ("model/x.py", "from ..parallel import grid", "not below model"),
        ("model/x.py", "if TYPE_CHECKING:\n    import hpc_qlstm.run", "not below model"),
        ("partition/x.py", "from hpc_qlstm.engines import base", "not below partition"),
        ("circuits/x.py", "from hpc_qlstm.data.tasks import TASKS", "not below circuits"),
        ("parallel/x.py", "from hpc_qlstm.model.cell import LSTM_GATES", "not below parallel"),
        ("distributed/x.py", "from hpc_qlstm.runs.lock import RunLock", "not below distributed"),
        ("analysis/x.py", "from hpc_qlstm import run", "not below analysis"),
        ("run.py", "from hpc_qlstm.info import gather_info", "not below run"),
        ("config.py", "from hpc_qlstm.data import TASKS", "not below config"),
        ("helpers/x.py", "import os", "'helpers' is in no layer"),
        ("training/x.py", "def f():\n    from mpi4py import MPI", "belongs to parallel/"),
        ("training/x.py", "if TYPE_CHECKING:\n    import mpi4py", "belongs to parallel/"),
        ("parallel/mpi.py", "from mpi4py import MPI", "when the module is loaded"),
        ("parallel/mpi.py", "try:\n    import mpi4py\nexcept ImportError: ...", "is loaded"),
        ("engines/aer/x.py", "class A:\n    import qiskit_aer", "when the module is loaded"),
        ("engines/aer/x.py", "if TYPE_CHECKING: ...\nelse:\n    import qiskit", "is loaded"),
        ("engines/native.py", "def f():\n    import qiskit.circuit", "belongs to engines/aer"),
        ("engines/x.py", "def f():\n    import qiskit_ibm_runtime", "belongs to engines/aer"),
        ("model/x.py", "from hpc_qlstm import _native", "belongs to native/"),
        ("model/x.py", "def f():\n    importlib.import_module(name)", "by a string"),
        ("engines/__init__.py", "import_module('mpi4py.MPI')", "belongs to parallel/"),
    ],
)
def test_the_checker_finds(file, source, expected):
    assert any(expected in message for message in violations(file, source))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("model/x.py", "import numpy\nfrom hpc_qlstm.engines.base import Engine"),
        ("model/x.py", "from . import cell\nfrom hpc_qlstm.errors import InputError"),
        ("training/x.py", "from ..parallel.grid import process_grid\nimport hpc_qlstm.config_io"),
        ("parallel/mpi.py", "def f():\n    from mpi4py import MPI"),
        ("engines/aer/x.py", "if TYPE_CHECKING:\n    import qiskit\nf = lambda: 1"),
        ("native/__init__.py", "from hpc_qlstm import _native as extension"),
        ("cli.py", "from hpc_qlstm import run\nfrom hpc_qlstm.info import gather_info"),
        ("config_io.py", "from hpc_qlstm.config import Config"),
    ],
)
def test_the_checker_allows(file, source):
    assert violations(file, source) == []


def test_importing_starts_neither_mpi_nor_qiskit():
    code = (
        "import sys, hpc_qlstm, hpc_qlstm.cli\n"
        "hpc_qlstm.QLSTM, hpc_qlstm.train, hpc_qlstm.resume, hpc_qlstm.create_engine\n"
        "loaded = [m for m in sys.modules if m == 'mpi4py.MPI' or m.startswith('qiskit')]\n"
        "assert 'hpc_qlstm.training.loop' in sys.modules\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
