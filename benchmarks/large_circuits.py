"""Milliseconds per circuit for few large circuits, beside Aer, Qulacs and lightning.qubit.

usage: python benchmarks/large_circuits.py [--qubits 16 20 24] [--samples 16] [--threads K]
                                           [--peers aer,qulacs,lightning]

Circuit: rot_ring, depth 2, as many features and outputs as qubits; `samples` circuits at 16 qubits
or fewer, else one. Everyone uses all processors and double precision; peers that are not installed
are left out. Forward is all expectation values; the gradient is the whole vector-Jacobian product
(Qulacs: backprop). Also prints the peak memory of a gradient, in states of 16 * 2^q bytes, and the
bandwidth of a triad a = b + s c, which bounds what passes over memory can do.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from time import perf_counter, sleep
from types import ModuleType

import numpy as np

from hpc_qlstm import ansatz, create_engine
from hpc_qlstm.circuits import Circuit
from hpc_qlstm.native.kernels import isa
from hpc_qlstm.runs.checkpoint_format import package_versions

BUDGET = 2.0
PAUSE = 0.3  # before a call: the threads of OpenMP runtimes spin on for some 200 ms after one
GRADIENT_LIMIT = 20  # peers' gradients are timed up to this many qubits
Call = Callable[[], object]

PEAK = """
import numpy as np
from hpc_qlstm import ansatz, create_engine
engine = create_engine("native")
def peak():
    with open("/proc/self/status") as lines:
        return next(int(l.split()[1]) * 1024 for l in lines if l.startswith("VmHWM:"))
def gradient(q):
    circuit = ansatz("rot_ring", qubits=q, features=q, outputs=q, depth=2)
    engine.vjp(circuit, np.ones((1, q)), np.ones(circuit.weight_shape), np.ones((1, q)))
gradient(13)
before = peak()
gradient({q})
print((peak() - before) / (16 * 2**{q}))
"""


def median_ms(calls: dict[str, Call]) -> dict[str, float]:
    """Medians of calls that take turns, so that a busy moment hits them all."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    while sum(map(sum, seconds.values())) < BUDGET * len(calls):
        for name, call in calls.items():
            sleep(PAUSE)
            start = perf_counter()
            call()
            seconds[name].append(perf_counter() - start)
        if all(len(s) >= 7 for s in seconds.values()):
            break
    return {name: float(np.median(s)) * 1e3 for name, s in seconds.items()}


def angles(circuit: Circuit, x: np.ndarray, weights: np.ndarray) -> list[float]:
    """All angles of one sample in the order of the gates."""
    return [float(a) for a in circuit.angles(x[None], weights)[0]]


def qulacs_calls(q: int, x: np.ndarray, weights: np.ndarray, g: np.ndarray) -> tuple[Call, Call]:
    from qulacs import Observable, ParametricQuantumCircuit, QuantumState

    circuit = ansatz("rot_ring", qubits=q, features=q, outputs=q, depth=2)
    made = ParametricQuantumCircuit(q)
    for gate in circuit.gates:
        if gate.name == "h":
            made.add_H_gate(*gate.qubits)
        elif gate.name == "cnot":
            made.add_CNOT_gate(*gate.qubits)
        else:
            getattr(made, f"add_parametric_{gate.name.upper()}_gate")(*gate.qubits, 0.0)

    def load(row: np.ndarray) -> None:
        for i, angle in enumerate(angles(circuit, row, weights)):
            made.set_parameter(i, -angle)  # its rotations are exp(+i angle P / 2)

    def forward() -> list[list[float]]:
        outputs = []
        for row in x:
            load(row)
            state = QuantumState(q)
            made.update_quantum_state(state)
            # P(qubit = 0) for every qubit: cheaper than its Observable.
            outputs.append([2 * state.get_zero_probability(k) - 1 for k in range(q)])
        return outputs

    def gradient() -> list[list[float]]:
        rows = []
        for row, cotangent in zip(x, g, strict=True):
            load(row)
            observable = Observable(q)
            for k in range(q):
                observable.add_operator(float(cotangent[k]), f"Z {k}")
            rows.append(made.backprop(observable))
        return rows

    return forward, gradient


def lightning_call(q: int, x: np.ndarray, weights: np.ndarray, g: np.ndarray) -> tuple[Call, None]:
    import pennylane as qml

    circuit = ansatz("rot_ring", qubits=q, features=q, outputs=q, depth=2)
    device = qml.device("lightning.qubit", wires=q)
    gates = {"ry": qml.RY, "rz": qml.RZ}

    @qml.qnode(device, diff_method=None)
    def node(values: list[float]) -> list[object]:
        rest = iter(values)
        for gate in circuit.gates:
            if gate.name == "h":
                qml.Hadamard(*gate.qubits)
            elif gate.name == "cnot":
                qml.CNOT(gate.qubits)
            else:
                gates[gate.name](next(rest), *gate.qubits)
        return [qml.expval(qml.PauliZ(k)) for k in range(q)]

    return lambda: [node(angles(circuit, row, weights)) for row in x], None


def aer_call(q: int, x: np.ndarray, weights: np.ndarray, g: np.ndarray) -> tuple[Call, None]:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    circuit = ansatz("rot_ring", qubits=q, features=q, outputs=q, depth=2)
    simulator = AerSimulator(method="statevector", max_parallel_threads=os.cpu_count() or 1)

    def made(row: np.ndarray) -> QuantumCircuit:
        rest = iter(angles(circuit, row, weights))
        out = QuantumCircuit(q)
        for gate in circuit.gates:
            if gate.name == "h":
                out.h(*gate.qubits)
            elif gate.name == "cnot":
                out.cx(*gate.qubits)
            else:
                getattr(out, gate.name)(next(rest), *gate.qubits)
        for k in range(q):
            out.save_expectation_value(z, [k], label=f"z{k}")
        return out

    from qiskit.quantum_info import Pauli

    z = Pauli("Z")
    circuits = [made(row) for row in x]

    def forward() -> object:
        result = simulator.run(circuits, shots=1).result()
        return [[result.data(n)[f"z{k}"] for k in range(q)] for n in range(len(circuits))]

    return forward, None


PEERS: dict[str, tuple[str, Callable[..., tuple[Call, Call | None]]]] = {
    "aer": ("qiskit_aer", aer_call),
    "qulacs": ("qulacs", qulacs_calls),
    "lightning": ("pennylane_lightning", lightning_call),
}


def triad_gb_s(threads: int) -> float:
    """Bandwidth of a = b + s c over arrays beyond the caches, counting three streams."""
    size, piece = 2**25, 2**15
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)

    def part(n: int) -> None:
        for at in range(n * size // threads, (n + 1) * size // threads, piece):
            to = a[at : at + piece]
            np.multiply(c[at : at + piece], 3.0, out=to)
            np.add(to, b[at : at + piece], out=to)

    def call() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, range(threads)))

    return 24 * size / median_ms({"triad": call})["triad"] / 1e6


def peak_states(q: int) -> float:
    """Peak resident memory of one gradient, in states."""
    code = PEAK.replace("{q}", str(q))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def installed(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[16, 20, 24])
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peers", default=",".join(PEERS))
    options = parser.parse_args()
    modules = {name: installed(PEERS[name][0]) for name in options.peers.split(",") if name}
    peers = [name for name, module in modules.items() if module is not None]
    versions = package_versions()
    about = [f"{name} {versions[name]}" for name in ("python", "numpy")]
    about += [f"{name} {version(PEERS[name][0].replace('_', '-'))}" for name in peers]
    print(f"{platform.machine()}, kernel {isa()}, {options.threads} thread(s), {', '.join(about)}")
    print(f"triad: {triad_gb_s(options.threads):.1f} GB/s\n")
    print("| q | N | what | native |" + "".join(f" {n} |" for n in peers) + " fastest / native |")
    print("|---|---|---|---|" + "---|" * len(peers) + "---|")
    for q in options.qubits:
        samples = options.samples if q <= 16 else 1
        circuit = ansatz("rot_ring", qubits=q, features=q, outputs=q, depth=2)
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, (samples, q))
        weights = rng.normal(size=circuit.weight_shape)
        g = rng.normal(size=(samples, q))
        engine = create_engine("native", threads=options.threads)
        made = {name: PEERS[name][1](q, x, weights, g) for name in peers}
        want = engine.expectations(circuit, x, weights)
        for name, (forward, _) in made.items():
            error = np.abs(np.asarray(forward(), dtype=float).reshape(want.shape) - want).max()
            assert error < 1e-9, f"{name} disagrees by {error}"
        calls: dict[str, dict[str, Call]] = {
            "forward": {"native": lambda e=engine, c=circuit, w=weights: e.expectations(c, x, w)},  # noqa: B023
            "gradient": {"native": lambda e=engine, c=circuit, w=weights: e.vjp(c, x, w, g)},  # noqa: B023
        }
        for name, (forward, gradient) in made.items():
            calls["forward"][name] = forward
            if gradient is not None and q <= GRADIENT_LIMIT:
                calls["gradient"][name] = gradient
        times = {what: median_ms(of) for what, of in calls.items()}
        for what, of in times.items():
            cells = [f"{of[n] / samples:.3g}" if n in of else "-" for n in ("native", *peers)]
            others = [of[n] for n in peers if n in of]
            ratio = f"{min(others) / of['native']:.1f}" if others else "-"
            print(
                f"| {q} | {samples} | {what} | " + " | ".join(cells) + f" | {ratio} |", flush=True
            )
        ratio = times["gradient"]["native"] / times["forward"]["native"]
        print(f"| {q} | {samples} | gradient / forward | {ratio:.2f} |" + " |" * (len(peers) + 1))
    q = max(options.qubits)
    print(f"\npeak memory of a gradient at q = {q}: {peak_states(q):.3f} states")


if __name__ == "__main__":
    main()
