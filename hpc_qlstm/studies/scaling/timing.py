"""Times of circuits and of messages, by size, on all ranks of a team at once."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.tape import Place
from hpc_qlstm.parallel import Communicator
from hpc_qlstm.studies.scaling.machine import DIRECTIONS, Curve

SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Samples that circuits are timed with, up to what the configurations need."""
BYTES = (8, 128, 1024, 8192, 65536, 524288, 2097152)
"""Sizes that messages are timed with."""
SECONDS = 0.01
"""How long each is repeated in a round, and at least three times after the first, unless these take
MOST_SECONDS."""
MOST_SECONDS = 0.2


def call_seconds(team: Communicator) -> float:
    """A step's call of the native engine without any partition. Collective."""
    state, outputs = np.zeros((8, 2)), np.zeros((4, 8, 2))
    makers = NativeEngine(threads=1).fuse([], 4)
    sweep = makers.begin(np.zeros(1), np.zeros((8, 1, 1)), outputs)
    return _slowest(team, lambda: _repeated(lambda: sweep.forward(0, state)))


def circuit_curves(
    team: Communicator, model: QLSTM, m: int, most: int, call: float
) -> dict[str, Curve]:
    """Seconds of one partition's gates, forward and back, against samples up to `most`; `call`
    seconds of them are the call's own. Collective."""
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
    return seconds > SECONDS and (count >= 4 or seconds > MOST_SECONDS)


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


def message_curves(team: Communicator) -> tuple[Curve, Curve]:
    """Seconds of an Allgather against the bytes of a part, of a Bcast against its bytes.

    Collective.
    """

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
