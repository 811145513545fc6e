"""W: maps from each column's features into one shared space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.align.adversarial import Adversarial
    from chiasm.align.aligner import Aligner
    from chiasm.align.anchors import Anchors
    from chiasm.align.blend import Blend
    from chiasm.align.choose import Choice, Rung, climb, ladder
    from chiasm.align.csa import CSA
    from chiasm.align.dictionary import Dictionary
    from chiasm.align.doctor import Diagnosis, diagnose, linear_cka, rbf_cka
    from chiasm.align.hubness import Hubness
    from chiasm.align.kernel import KernelCCA
    from chiasm.align.learned import Learned
    from chiasm.align.linear import CCA, Procrustes, Ridge
    from chiasm.align.moments import Moments
    from chiasm.align.semantic import Semantic
    from chiasm.align.swap import Swapped
    from chiasm.align.transport import Transport

__all__ = [
    "CCA",
    "CSA",
    "Adversarial",
    "Aligner",
    "Anchors",
    "Blend",
    "Choice",
    "Diagnosis",
    "Dictionary",
    "Hubness",
    "KernelCCA",
    "Learned",
    "Moments",
    "Procrustes",
    "Ridge",
    "Rung",
    "Semantic",
    "Swapped",
    "Transport",
    "climb",
    "diagnose",
    "ladder",
    "linear_cka",
    "rbf_cka",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "adversarial": ("Adversarial",),
        "aligner": ("Aligner",),
        "anchors": ("Anchors",),
        "blend": ("Blend",),
        "choose": (
            "Choice",
            "Rung",
            "climb",
            "ladder",
        ),
        "csa": ("CSA",),
        "dictionary": ("Dictionary",),
        "doctor": (
            "Diagnosis",
            "diagnose",
            "linear_cka",
            "rbf_cka",
        ),
        "hubness": ("Hubness",),
        "kernel": ("KernelCCA",),
        "learned": ("Learned",),
        "linear": (
            "CCA",
            "Procrustes",
            "Ridge",
        ),
        "moments": ("Moments",),
        "semantic": ("Semantic",),
        "swap": ("Swapped",),
        "transport": ("Transport",),
    },
)
