"""The predicted covariance of a scattering vector, held by its Cholesky factor.

Legend: N images, P components of the scattering vector (3 or 2), Q = P (P - 1) / 2 pairs, R = P^2 real numbers, H, W
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ringmoe_core.losses.mean import wide

MAX_LOG_POWER = 30.0
"""Bound of |ln power| of the factor's diagonal (130 dB), so that exp stays finite in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CovarianceFactor:
    """Lower triangular A with S = A A^H, pixel by pixel; ln det S is 2 sum ln A_ii and needs no decomposition."""

    log_variance_NPHW: Tensor
    """ln A_ii^2: the logarithm of each component's variance once those before it are known. Real."""

    lower_NQHW: Tensor
    """A below the diagonal, row by row: A_10, A_20, A_21. Complex."""

    @property
    def num_components(self) -> int:
        """P."""
        return self.log_variance_NPHW.shape[1]

    def entry(self, row: int, column: int) -> Tensor:
        """A at `row` and `column`, (N, H, W): real on the diagonal, complex below it."""
        if row == column:
            return (0.5 * self.log_variance_NPHW[:, row]).exp()
        return self.lower_NQHW[:, row * (row - 1) // 2 + column]

    def log_determinant(self) -> Tensor:
        """Logarithm of det S, (N, H, W)."""
        return self.log_variance_NPHW.sum(1)

    def covariance(self) -> Tensor:
        """S, (N, P, P, H, W), complex Hermitian."""
        P = self.num_components
        rows = [[_product(self, row, column) for column in range(row + 1)] for row in range(P)]
        full = [[rows[i][j] if j <= i else rows[j][i].conj() for j in range(P)] for i in range(P)]
        return torch.stack([torch.stack(row, dim=1) for row in full], dim=1)

    def whiten(self, vector_NPHW: Tensor) -> Tensor:
        """A^-1 k, (N, P, H, W), by forward substitution; its squared length is k^H S^-1 k."""
        solved: list[Tensor] = []
        for row in range(self.num_components):
            rest = vector_NPHW[:, row]
            for column in range(row):
                rest = rest - self.entry(row, column) * solved[column]
            solved.append(rest * (-0.5 * self.log_variance_NPHW[:, row]).exp())
        return torch.stack(solved, dim=1)

    def marginal(self, keep: tuple[int, ...]) -> CovarianceFactor:
        """The factor of the covariance of some components, which is the part of S in their rows and columns.

        Args:
            keep: components, each once, in rising order.

        Raises:
            ValueError: `keep` is empty, not rising or beyond the components.
        """
        if not keep or list(keep) != sorted(set(keep)) or keep[0] < 0 or keep[-1] >= self.num_components:
            raise ValueError(
                f"components to keep rise from 0 to {self.num_components - 1}, each once, got {keep}; sort them"
            )
        size = len(keep)
        if keep == tuple(range(size)):  # a leading part of S has the leading part of A
            return CovarianceFactor(
                log_variance_NPHW=self.log_variance_NPHW[:, :size],
                lower_NQHW=self.lower_NQHW[:, : size * (size - 1) // 2],
            )
        return _factor([[_product(self, i, j) for j in keep if j <= i] for i in keep])


def factor_covariance(raw_NRHW: Tensor, noise_power: float) -> CovarianceFactor:
    """The factor that P^2 free real numbers a pixel stand for; every covariance above the noise has one.

    With a_i the first P numbers and u_ij = the rest in pairs (real, imaginary), row by row below the diagonal:

        A_ii^2 = exp(a_i) + n,        A_ij = A_ii u_ij (j < i)

    so that S_ii = A_ii^2 (1 + sum_j |u_ij|^2): a component's row scales with its own power, and equal u mean equal
    correlations over dark and bright ground. A_ii^2 is the variance of component i given those before it; noise of
    power n in every component keeps that at n or more, hence ln det S >= P ln n: without the floor the likelihood of
    one look has no minimum. exp(a) + n is bounded above by exp(30) = 130 dB.

    Args:
        raw_NRHW: a and u, real; half precision is widened.
        noise_power: n, linear, above 0: the noise-equivalent backscatter of the sensor.

    Raises:
        ValueError: the channels are no square number, or the noise is not above 0.
    """
    R = raw_NRHW.shape[1]
    P = round(R**0.5)
    if P * P != R:
        raise ValueError(f"a covariance of P components takes P^2 channels, got {R}; give 4 or 9")
    if not noise_power > 0:
        raise ValueError(f"the noise floor must be above 0, got {noise_power}; give that of the sensor")
    raw_NRHW = raw_NRHW.to(wide(raw_NRHW))
    logs = raw_NRHW[:, :P].clamp(max=MAX_LOG_POWER)
    log_variance = torch.logaddexp(logs, torch.log(logs.new_tensor(noise_power)))
    real, imaginary = (raw_NRHW[:, start::2].contiguous() for start in (P, P + 1))
    row_of_pair = [row for row in range(P) for _ in range(row)]
    scale = (0.5 * log_variance).exp()[:, row_of_pair]
    lower = torch.complex(real, imaginary) * scale
    return CovarianceFactor(log_variance_NPHW=log_variance, lower_NQHW=lower)


def _product(factor: CovarianceFactor, row: int, column: int) -> Tensor:
    """S at `row` and `column` (column <= row): sum over k <= column of A_rk conj(A_ck), complex."""
    total = factor.entry(row, column) * factor.entry(column, column)
    for k in range(column):
        total = total + factor.entry(row, k) * factor.entry(column, k).conj()
    return total if total.is_complex() else torch.complex(total, torch.zeros_like(total))


def _factor(rows: list[list[Tensor]]) -> CovarianceFactor:
    """Cholesky's factor of the lower triangle of a covariance, entry by entry: P is at most 3, H W large."""
    logs: list[Tensor] = []
    lower: list[list[Tensor]] = []
    for i, row in enumerate(rows):
        done: list[Tensor] = []
        for j in range(i):
            rest = row[j]
            for k in range(j):
                rest = rest - done[k] * lower[j][k].conj()
            done.append(rest * (-0.5 * logs[j]).exp())
        variance = row[i].real
        for entry in done:
            variance = variance - (entry.real.square() + entry.imag.square())
        logs.append(variance.log())
        lower.append(done)
    entries = [entry for done in lower for entry in done]
    empty = rows[0][0].new_zeros((rows[0][0].shape[0], 0, *rows[0][0].shape[1:]))
    return CovarianceFactor(
        log_variance_NPHW=torch.stack(logs, dim=1), lower_NQHW=torch.stack(entries, dim=1) if entries else empty
    )
