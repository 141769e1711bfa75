"""Error mitigation: readout correction and zero-noise extrapolation, with mitiq's estimators.

Both act on expectation values. Readout: with independent errors of the qubits, the measured <Z_k>
is an affine function of the true one, and mitiq's inverse of the qubit's confusion matrix undoes
it (Bravyi et al., arXiv 2006.14044, tensored form). Zero noise: values at noise scales 1, 3, 5, ..
are extrapolated to scale 0 (Temme, Bravyi, Gambetta, arXiv 1612.02058), the scales made by global
folding, U (U^-1 U)^k (Giurgica-Tiron et al., arXiv 2005.10921).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import MitigationConfig
from hpc_qlstm.errors import EngineError, UnsupportedError

_LEAST_CONTRAST = 0.05
"""Below this difference between <Z> of |0> and of |1>, over two, a reading says too little."""


@dataclass(frozen=True)
class Mitigation:
    """What is done to the values of an engine.

    scales and coefficients: the noise scales to evaluate and the factors with which their values
    add up to the extrapolated one. readout: whether readout errors are corrected, from calibration
    circuits with `calibration_shots` shots each.
    """

    scales: tuple[int, ...] = (1,)
    coefficients: tuple[float, ...] = (1.0,)
    readout: bool = False
    calibration_shots: int = 0

    @property
    def active(self) -> bool:
        """Whether anything is done at all."""
        return self.readout or self.scales != (1,)


def create_mitigation(config: MitigationConfig) -> Mitigation:
    """The configured mitigation. Raises UnsupportedError without the package mitiq."""
    if not config.readout and config.zne == "none":
        return Mitigation()
    try:
        from mitiq.zne.inference import PolyFactory, RichardsonFactory
    except ImportError as error:
        raise UnsupportedError(
            "engine: mitigation needs the package mitiq; pip install 'hpc-qlstm[mitigation]'"
        ) from error
    scales: tuple[int, ...] = (1,)
    coefficients: tuple[float, ...] = (1.0,)
    if config.zne != "none":
        scales = tuple(config.scales)

        def extrapolate(values: list[float]) -> float:
            if config.zne == "richardson":
                return float(RichardsonFactory.extrapolate(scales, values))
            order = {"linear": 1, "quadratic": 2}[config.zne]
            return float(PolyFactory.extrapolate(scales, values, order=order))

        # Polynomial fits are linear in the values: mitiq's answers for unit vectors are all that
        # is needed, once, instead of a fit for every circuit of every call.
        coefficients = tuple(extrapolate(list(unit)) for unit in np.eye(len(scales)))
    return Mitigation(scales, coefficients, config.readout, config.calibration_shots)


@dataclass(frozen=True)
class ReadoutCorrection:
    """True <Z_k> = factor[k] * measured <Z_k> + offset[k]; arrays (n_out,)."""

    factor: Float
    offset: Float

    @classmethod
    def from_calibration(cls, zeros: Float, ones: Float) -> ReadoutCorrection:
        """From <Z_k> measured on |0..0> and on |1..1>, each (n_out,).

        Raises EngineError when a qubit reads both nearly alike.
        """
        from mitiq.rem import generate_tensored_inverse_confusion_matrix

        if np.min(zeros - ones) < 2 * _LEAST_CONTRAST:
            k = int(np.argmin(zeros - ones))
            raise EngineError(
                f"readout correction: qubit {k} reads <Z> = {zeros[k]:.3f} for 0 and "
                f"{ones[k]:.3f} for 1, too close together to be corrected"
            )
        factor, offset = np.empty_like(zeros), np.empty_like(zeros)
        for k, (low, high) in enumerate(zip(zeros, ones, strict=True)):
            # Column j: probabilities of reading 0 and 1 when the qubit is in state j.
            confusion = np.array([[1 + low, 1 + high], [1 - low, 1 - high]]) / 2
            inverse = generate_tensored_inverse_confusion_matrix(1, [confusion])
            z = np.array([1.0, -1.0]) @ inverse  # <Z> from the probabilities (1+m)/2, (1-m)/2
            factor[k], offset[k] = (z[0] - z[1]) / 2, (z[0] + z[1]) / 2
        return cls(factor, offset)

    def apply(self, values: Float) -> Float:
        """Corrected values (N, n_out)."""
        corrected: Float = values * self.factor + self.offset
        return corrected
