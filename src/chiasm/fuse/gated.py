"""Gated fusion: F(X) = Σ w_m(X) f_m(x_m), the weights computed from all that is present."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.array_types import Floats
from chiasm.fuse.neural import Net, Neural


class Gated(Neural):
    """Gated multimodal units (Arevalo et al. 2017, arXiv 1702.01992), one gate per column, softmax over
    the columns that a row has: with one column, its weight is 1. Parameters as `Neural`."""

    def _net(self) -> Net:
        from chiasm.fuse.nets import GatedNet

        return GatedNet(self._seen(), len(self.base_), self.width)

    def gates(self, X: Mapping[str, Any]) -> dict[str, Floats]:
        """{column: (n,)} w_m(X), the mean over the nets; NaN where absent, else of sum 1 in each row."""
        columns = self._known(X)
        if not columns:
            return {}
        weights = self._through(columns, lambda net, x: net.weights(x), len(self.widths_))
        place = {c: i for i, c in enumerate(sorted(self.widths_))}
        return {c: np.where(f.present, weights[:, place[c]], np.nan) for c, f in columns.items()}
