"""Measure what a machine costs, for `model` to predict with. Collective.

Everything is measured on as many ranks at a time as it is meant for: processors that all compute
share caches, memory and power. Ranks that take no part sleep.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from scipy.optimize import nnls

from hpc_qlstm.analysis.scaling.machine import DIRECTIONS, REST, Busy, Curve, Machine
from hpc_qlstm.analysis.scaling.measure import measure
from hpc_qlstm.analysis.scaling.model import (
    circuit_key,
    compute_seconds,
    message_seconds,
    plan_of,
    rest_terms,
    step_sizes,
)
from hpc_qlstm.analysis.scaling.plan import Cell, Point
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.engines.native_sweep import NativeSweeps
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.sweep import Place
from hpc_qlstm.parallel import Communicator, mpi_library, processor_name
from hpc_qlstm.training.setup import build_model

SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Samples that circuits are timed with, up to what the configurations need."""
BYTES = (8, 128, 1024, 8192, 65536, 524288, 2097152)
"""Sizes that messages are timed with."""
SECONDS = 0.02
"""How long each is repeated, and at least five times, unless these take MOST_SECONDS."""
MOST_SECONDS = 0.5

# Partitions, hidden units of each, depth, batch, window: small circuits, so that the rest shows;
# each term of REST is large in one of them.
SETTINGS = (
    (2, 2, 1, 8, 2),
    (2, 2, 1, 8, 10),
    (2, 2, 1, 64, 3),
    (2, 3, 2, 24, 6),
    (4, 2, 1, 16, 4),
    (8, 2, 1, 40, 3),
    (16, 2, 3, 16, 3),
    (64, 2, 2, 12, 2),
)


def measure_machine(
    comm: Communicator,
    configs: Sequence[Config],
    ranks: Sequence[int],
    say: Callable[[str], None] = lambda text: None,
    settings: Sequence[tuple[int, int, int, int, int]] = SETTINGS,
) -> Machine:
    """The machine under this job, with what these configurations' circuits cost, measured on each
    number of ranks up to those of `comm`. Collective; the same on every rank."""
    small = [rest_config(each, configs[0]) for each in settings]
    counts = sorted({count for count in ranks if count <= comm.size} | {1})
    found: list[Busy] = []
    for count in counts:
        say(f"measuring this machine's costs on {count} rank{'s' if count > 1 else ''}")
        team = comm.split(0 if comm.rank < count else 1)
        busy = None
        if comm.rank < count:
            fitting = [each for each in small if fits(each, count)]
            busy = _measure_busy(team, configs, fitting)
        comm.sleep_until_all()
        team.free()
        found.append(comm.bcast_object(busy))
    return Machine(processor_name(), os.cpu_count() or 1, mpi_library(comm), tuple(found))


def rest_config(setting: tuple[int, int, int, int, int], like: Config) -> Config:
    """The configuration of one of SETTINGS, with threads and exchange as in `like`."""
    count, units, depth, batch, window = setting
    return load_config(
        {
            "model": {"hidden_size": count * units, "depth": depth},
            "partition": {"strategy": "broadcast_input", "count": count},
            "engine": {"threads": max(1, like.engine.threads)},
            "data": {"task": "sine", "window": window},
            "training": {"batch_size": batch},
            "parallel": {
                "cell_update": like.parallel.cell_update,
                "collectives": like.parallel.collectives,
            },
        }
    )


def fits(config: Config, ranks: int) -> bool:
    """Whether the partitions of one of SETTINGS fit so many ranks."""
    count = config.partition.count or 1
    return ranks <= count or ranks % count == 0


def median_machine(machines: Sequence[Machine]) -> Machine:
    """Medians, number by number, of a machine that was measured several times."""
    first = machines[0]
    return replace(
        first,
        busy=tuple(
            _median_busy([machine.busy[k] for machine in machines]) for k in range(len(first.busy))
        ),
    )


def _median_busy(several: Sequence[Busy]) -> Busy:
    first = several[0]

    def curve(pick: Callable[[Busy], Any]) -> Curve | None:
        curves = [pick(each) for each in several]
        if curves[0] is None:
            return None
        seconds = np.median([each.seconds for each in curves], axis=0)
        return Curve(curves[0].sizes, tuple(seconds.tolist()))

    circuits: dict[str, dict[str, Curve]] = {}
    for key in first.circuits:
        circuits[key] = {}
        for way in DIRECTIONS:
            merged = curve(lambda busy, key=key, way=way: busy.circuits[key][way])  # type: ignore[misc]
            assert merged is not None
            circuits[key][way] = merged
    return Busy(
        first.ranks,
        float(np.median([each.call for each in several])),
        circuits,
        curve(lambda busy: busy.allgather),
        curve(lambda busy: busy.bcast),
        {name: float(np.median([each.rest[name] for each in several])) for name in REST},
    )


def _measure_busy(team: Communicator, configs: Sequence[Config], small: Sequence[Config]) -> Busy:
    call = _slowest(team, _call_seconds)
    circuits: dict[str, dict[str, Curve]] = {}
    for config in (*configs, *small):
        plan, _ = plan_of(config)
        threads = max(1, config.engine.threads)
        model = build_model(config, plan.input_size, plan.output_size, threads)
        most = max(each.training.batch_size for each in (*configs, *small))
        for m, circuit in enumerate(model.circuits):
            key = circuit_key(circuit, threads)
            if key not in circuits:
                circuits[key] = _circuit_curves(team, model, m, most, call)
        for engine in {id(e): e for e in model.local_cell(range(1)).engines}.values():
            engine.close()
    busy = Busy(team.size, call, circuits)
    if team.size > 1:
        allgather, bcast = _message_curves(team)
        busy = replace(busy, allgather=allgather, bcast=bcast)
    return replace(busy, rest=_fit_rest(team, busy, small))


def _call_seconds() -> float:
    """A step's call of the native engine without any partition."""
    state, outputs = np.zeros((8, 2)), np.zeros((4, 8, 2))
    makers = NativeSweeps(NativeEngine(threads=1), [], 4)
    sweep = makers.begin(np.zeros(1), np.zeros((8, 1, 1)), outputs)
    return _repeated(lambda: sweep.forward(0, state))


def _circuit_curves(
    team: Communicator, model: QLSTM, m: int, most: int, call: float
) -> dict[str, Curve]:
    """Seconds of one partition's gates, forward and back, against samples."""
    sizes = [n for n in SAMPLES if n <= most] or [most]
    sizes += [most] if most > sizes[-1] else []
    rng = np.random.default_rng(0)
    flat = model.layout.initial(0, 0.5)
    local = model.local_cell(range(m, m + 1))
    own = call if isinstance(local.engines[0], NativeEngine) else 0.0
    seconds: dict[str, list[float]] = {way: [] for way in DIRECTIONS}
    for batch in sizes:
        x = rng.uniform(-1, 1, (batch, 1, model.input_size))
        state = rng.uniform(-1, 1, (batch, model.hidden_size))
        cotangents = rng.uniform(-1, 1, (4, batch, model.hidden_size))
        outputs = np.empty((4, batch, model.partition.outputs[m]))
        rows = np.zeros((batch, local.weights))
        to_inputs = np.empty((batch, len(model.partition.inputs[m])))

        def both(
            x: Any = x,
            state: Any = state,
            cotangents: Any = cotangents,
            outputs: Any = outputs,
            rows: Any = rows,
            to_inputs: Any = to_inputs,
        ) -> tuple[float, float]:
            sweep = local.gates.begin(flat, x, Place(), outputs)
            begin = perf_counter()
            sweep.forward(0, state)
            middle = perf_counter()
            sweep.begin_reverse()
            sweep.reverse(0, cotangents, rows, to_inputs)
            end = perf_counter()
            sweep.release()
            return middle - begin, end - middle

        pair = _medians(team, both)
        for way, value in zip(DIRECTIONS, pair, strict=True):
            seconds[way].append(max(value - own, 1e-9))
    return {way: Curve(tuple(map(float, sizes)), tuple(values)) for way, values in seconds.items()}


def _medians(team: Communicator, run: Callable[[], tuple[float, float]]) -> list[float]:
    """The medians of both times, of the slowest rank, while all repeat it."""
    team.allgather_object(None)
    times: list[tuple[float, float]] = [run()]
    begin = perf_counter()
    while not _enough(len(times), perf_counter() - begin):
        times.append(run())
    own = np.median(times[1:] or times, axis=0)
    every = np.empty((team.size, 2))
    team.allgather(own, every)
    result: list[float] = every.max(axis=0).tolist()
    return result


def _enough(count: int, seconds: float) -> bool:
    return seconds > SECONDS and (count >= 6 or seconds > MOST_SECONDS)


def _repeated(call: Callable[[], None]) -> float:
    times: list[float] = []
    begin = perf_counter()
    while not _enough(len(times), perf_counter() - begin):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return float(np.median(times[1:]))


def _slowest(team: Communicator, seconds: Callable[[], float]) -> float:
    team.allgather_object(None)
    return float(max(team.allgather_object(seconds())))


def _message_curves(team: Communicator) -> tuple[Curve, Curve]:
    """Seconds of an Allgather against the bytes of a part, of a Bcast against its bytes."""

    def timed(call: Callable[[], None]) -> float:
        rounds = []
        for _ in range(7):
            call()
            start = perf_counter()
            for _ in range(count):
                call()
            rounds.append((perf_counter() - start) / count)
        return float(max(team.allgather_object(float(np.median(rounds)))))

    gathers, bcasts = [], []
    token, tokens = np.zeros(1), np.zeros((team.size, 1))
    for size in BYTES:
        count = max(5, min(100, (1 << 22) // size))
        send, receive = np.zeros(size // 8), np.zeros((team.size, size // 8))

        def gather(send: Any = send, receive: Any = receive) -> None:
            team.allgather(send, receive)

        def both(send: Any = send) -> None:
            # After a Bcast alone its root would be ahead of those who receive.
            team.bcast(send)
            team.allgather(token, tokens)

        gathers.append(timed(gather))
        bcasts.append(max(timed(both) - gathers[0], 1e-8))
        team.durations.clear()
    sizes = tuple(map(float, BYTES))
    return Curve(sizes, tuple(gathers)), Curve(sizes, tuple(bcasts))


def _fit_rest(team: Communicator, busy: Busy, small: Sequence[Config]) -> dict[str, float]:
    """REST from what steps of small models take beyond circuits and messages."""
    if not small:
        raise InputError(f"no setting of the calibration fits {team.size} ranks")
    terms, left = [], []
    for config in small:
        cell = Cell(Point(config, team.size, ""), 0, 2, 20)
        seconds = measure(cell, team)["step_seconds"]["median"]
        sizes = step_sizes(config, *plan_of(config), team.size)
        rest = seconds - compute_seconds(sizes, busy) - message_seconds(sizes, busy)
        terms.append(np.array(rest_terms(sizes)) / seconds)
        left.append(max(rest, 0.0) / seconds)
    # Relative to the step: what is to be right is its prediction.
    found, _ = nnls(np.array(terms), np.array(left))
    shared = team.bcast_object(found.tolist())
    return dict(zip(REST, shared, strict=True))
