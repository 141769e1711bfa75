"""Times of circuits and of messages, by size, on all ranks of a team at once. Collective."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.tape import SampleKey
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
    """A step's call of the native engine without any partition."""
    state, outputs = np.zeros((8, 2)), np.zeros((4, 8, 2))
    makers = NativeEngine(threads=1).fuse([], 4)
    sweep = makers.begin(np.zeros(1), np.zeros((8, 1, 1)), outputs)

    def forward() -> tuple[float]:
        start = perf_counter()
        sweep.forward(0, state)
        return (perf_counter() - start,)

    return _medians(team, forward)[0]


def circuit_curves(
    team: Communicator, model: QLSTM, m: int, most: int, call: float
) -> dict[str, Curve]:
    """Seconds of one partition's gates, forward and back, against samples up to `most`; `call`
    seconds of them are the call's own."""
    sizes = sorted({*(n for n in SAMPLES if n <= most), most})
    rng = np.random.default_rng(0)
    flat = model.layout.initial(0, 0.5)
    local = model.local_cell(range(m, m + 1))
    own = call if isinstance(local.engines[0], NativeEngine) else 0.0

    def seconds(batch: int) -> list[float]:
        x = rng.uniform(-1, 1, (batch, 1, model.input_size))
        state = rng.uniform(-1, 1, (batch, model.hidden_size))
        cotangents = rng.uniform(-1, 1, (4, batch, model.hidden_size))
        outputs = np.empty((4, batch, model.partition.outputs[m]))
        rows = np.zeros((batch, local.weights))
        to_inputs = np.empty((batch, len(model.partition.inputs[m])))

        def both() -> tuple[float, float]:
            sweep = local.gates.begin(flat, x, SampleKey(), outputs)
            begin = perf_counter()
            sweep.forward(0, state)
            middle = perf_counter()
            sweep.begin_reverse()
            sweep.reverse(0, cotangents, rows, to_inputs)
            end = perf_counter()
            sweep.release()
            return middle - begin, end - middle

        return [max(value - own, 1e-9) for value in _medians(team, both)]

    by_way = zip(*map(seconds, sizes), strict=True)
    curves = (Curve(tuple(map(float, sizes)), values) for values in by_way)
    return dict(zip(DIRECTIONS, curves, strict=True))


def message_curves(team: Communicator) -> tuple[Curve, Curve]:
    """Seconds of an Allgather against the bytes of a part, of a Bcast against its bytes."""
    token, tokens = np.zeros(1), np.zeros((team.size, 1))

    def seconds(size: int) -> tuple[float, float]:
        count = max(5, min(100, (1 << 22) // size))
        send, receive = np.zeros(size // 8), np.zeros((team.size, size // 8))

        def bcast() -> None:
            # After a Bcast alone its root would be ahead of those who receive.
            team.bcast(send)
            team.allgather(token, tokens)

        result = timed(lambda: team.allgather(send, receive), count), timed(bcast, count)
        team.durations.clear()
        return result

    def timed(call: Callable[[], None], count: int) -> float:
        rounds = []
        for _ in range(7):
            call()
            start = perf_counter()
            for _ in range(count):
                call()
            rounds.append((perf_counter() - start) / count)
        return float(max(team.allgather_object(float(np.median(rounds)))))

    gathers, both = zip(*map(seconds, BYTES), strict=True)
    sizes = tuple(map(float, BYTES))
    bcasts = tuple(max(each - gathers[0], 1e-8) for each in both)
    return Curve(sizes, gathers), Curve(sizes, bcasts)


def _medians(team: Communicator, run: Callable[[], tuple[float, ...]]) -> list[float]:
    """The medians of the times that `run` gives, of the slowest rank, while all repeat it."""
    team.allgather_object(None)
    times = [run()]
    begin = perf_counter()
    while (taken := perf_counter() - begin) <= SECONDS or (
        len(times) < 4 and taken <= MOST_SECONDS
    ):
        times.append(run())
    own = np.median(times[1:], axis=0)
    slowest: list[float] = np.max(team.allgather_object(own), axis=0).tolist()
    return slowest
