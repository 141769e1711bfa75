"""Sampled engines against exact ones: z-scores of expectation values and of their derivatives."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from hpc_qlstm.build.engines import partition_engine
from hpc_qlstm.circuits import Circuit
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config, MitigationConfig
from hpc_qlstm.engines import Engine
from hpc_qlstm.engines.parameter_shift import shifted

_FALSE_ALARM = 1e-6
"""Probability that a correct engine is called wrong."""


def samples(config: Config) -> bool:
    """Whether any partition's engine samples."""
    count = max(1, len(config.engine.backends))
    return any(config.engine.of_partition(m).shots for m in range(count))


def sampled_and_exact(config: Config, m: int, threads: int) -> tuple[Engine, Engine]:
    """Partition m's engine as configured, without mitigation, and an exact one with its noise.

    Raises UnsupportedError where nothing here is exact for the backend.
    """
    engine = config.engine.of_partition(m)
    plain = engine.model_copy(update={"mitigation": MitigationConfig()})
    sampled = partition_engine(config.model_copy(update={"engine": plain}), m, threads)
    return sampled, sampled.exact_twin(plain, threads)


def z_scores(
    sampled: Engine,
    exact: Engine,
    circuit: Circuit,
    features: Float,
    weights: Float,
    shots: int,
) -> tuple[float, float, float]:
    """Largest |z| of outputs and of parameter-shift derivatives, and the bound for both.

    features (B, D_m), weights (G, *weight_shape).
    """
    angles = np.concatenate([circuit.angles(features, w) for w in weights])
    count = circuit.angle_count
    flat = shifted(angles).reshape(-1, count)
    found, expected = (
        engine.expectations_group(circuit.angle_form, flat, np.empty((1, 0))).reshape(
            1 + 2 * count, len(angles), circuit.outputs
        )
        for engine in (sampled, exact)
    )
    # The second term keeps the score of rare counts, whose distribution is skew, in bounds.
    variance = (1.0 - expected**2).clip(0.0) / shots + (2.0 / shots) ** 2
    if sampled.capabilities.gaussian:
        variance = np.full_like(expected, 1.0 / shots)
    error = found - expected
    z = np.abs(error[0]) / np.sqrt(variance[0])
    slope_error = 0.5 * (error[1::2] - error[2::2])
    slope_z = np.abs(slope_error) / np.sqrt(0.25 * (variance[1::2] + variance[2::2]))
    bound = float(norm.isf(_FALSE_ALARM / 2 / (z.size + slope_z.size)))
    return float(z.max()), float(np.max(slope_z, initial=0.0)), bound
