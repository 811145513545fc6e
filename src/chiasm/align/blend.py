"""A blend: several aligners as one space, in which a cosine is the mean of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.aligner import MEMBERS, Aligner, Columns
from chiasm.align.learned import closed_form
from chiasm.align.moments import Moments
from chiasm.checks import check_count
from chiasm.errors import UsageError
from chiasm.numerics import unit_rows
from chiasm.train.watch import naming

KERNELS = 3
"""Members that begin with kernels, where none are named."""

Members = Sequence[tuple[str, Mapping[str, Any]]]


class Blend(Aligner):
    """Unit vectors of the members side by side, at unit length again: a cosine is the mean of theirs.

    A committee errs less than its members as far as they err apart (Hansen & Salamon 1990).

    Where it loses: the space is as wide as all of theirs together, and a search as much slower. On Flickr8k's
    test part the default finds 26.0 and 31.6 % at first rank (caption → photo, photo → caption), where CCA in
    a fourteenth of the time finds 23.9 and 30.3.

    members : (name, parameters) of aligners in `aligner.MEMBERS`; None takes four `Learned`: one begins with
        CCA, three with kernels of other items each, ridge and weight chosen once on the held-out rows.
    dim : width of a member's space, where its parameters do not say.
    seed : of members whose parameters do not say; the i-th has seed + i.

    members_ : [{"name", "params", "state"}] of each member, fitted.

    Raises MissingExtra where a member needs an extra.
    """

    members_: list[dict[str, Any]]

    def __init__(
        self,
        dim: int = 256,
        members: Members | None = None,
        seed: int = 0,
    ) -> None:
        self.dim = dim
        self.members = members
        self.seed = seed

    def selected_params(self) -> dict[str, Any]:
        """The members with the parameters that they selected."""
        fitted = self._fitted()
        pairs = zip(self.members_, fitted, strict=True)
        found = [[kept["name"], {**kept["params"], **one.selected_params()}] for kept, one in pairs]
        return {"members": found}

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        check_count(self.dim, "dim")
        named = self._default(moments, X, valid) if self.members is None else self.members
        if not named:
            raise UsageError("a blend needs a member at least", where="members")
        self.members_ = []
        for i, (name, given) in enumerate(named):
            member = MEMBERS.made(name, given, {"dim": self.dim, "seed": self.seed + i})
            with naming(f"{name} {i + 1} of {len(named)}"):
                member.fit_rows(moments, X, y, valid)
            self.members_.append(MEMBERS.record(member))

    def _default(self, moments: Moments, X: Columns, valid: Columns | None) -> Members:
        closed = closed_form("kernel", self.dim, None, moments, X, valid, self.seed)
        chosen = {"ridge": closed.get_params()["ridge"], "weight": closed.get_params()["weight"]}
        return [("learned", {}), *[("learned", {"start": "kernel", "settings": chosen})] * KERNELS]

    def _fitted(self) -> list[Aligner]:
        """The members, built once for what was learned."""
        self.require_fitted("members_")
        return self.made_of("members_", lambda records: [MEMBERS.revive(kept) for kept in records])

    @property
    def space_width(self) -> int:
        """The sum of the members' widths."""
        return sum(member.space_width for member in self._fitted())

    def project(self, name: str, values: NDArray[Any]) -> NDArray[np.float32]:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        return unit_rows(np.hstack([member.project(name, values) for member in self._fitted()]))
