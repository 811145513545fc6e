"""Records of components: their names, parameters and what they learned, as a model folder keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.base import clone

from chiasm import plugins
from chiasm.checks import Estimator
from chiasm.encode.call import Function
from chiasm.errors import FolderError
from chiasm.heads.calibrate import Calibration
from chiasm.heads.conformal import Conformal
from chiasm.heads.task import Task
from chiasm.model.inputs import Inputs
from chiasm.model.predictor import Predictor

Record = dict[str, Any]


def of(kind: str, made: Any) -> Record:
    """The record of a component; UsageError where its class has no name."""
    found = {"name": plugins.name_of(kind, made), **learned(made)}
    nested = {k: {"component": of(kind, v)} for k, v in found["params"].items() if isinstance(v, Estimator)}
    return {**found, "params": {**found["params"], **nested}}


def learned(made: Any) -> Record:
    """Parameters and state of an estimator whose class is known."""
    return {"params": made.get_params(deep=False), "state": made.state()}


def component(kind: str, record: Mapping[str, Any]) -> Any:
    """The component of a record, what it is made of included."""
    params = {k: component(kind, v["component"]) if _nested(v) else v for k, v in record["params"].items()}
    return plugins.get(kind, record["name"], kept=True)(**params).restore(record["state"])


def _nested(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"component"}


def of_encoder(made: Any) -> Record:
    """The record of an encoder; a function, which has no name, leaves what it learned."""
    if not is_named(made):
        return {"name": None, "modality": made.modality, "state": made.state()}
    return of("encode", made)


def is_named(made: Any) -> bool:
    """Whether a folder can hold an encoder."""
    named = not isinstance(made, Function) and plugins.is_named("encode", made)
    return named and all(is_named(part) for part in made.parts)


def encoder(column: str, record: Mapping[str, Any], given: Any) -> Any:
    """The encoder of a record; one without a name must be given."""
    if record["name"] is not None:
        return component("encode", record)
    if given is None:
        raise FolderError(
            f"the encoder of column {column!r} has no name, so a folder cannot hold it",
            hint=f"chiasm.load(path, encoders={{{column!r}: …}}) gives it back.",
        )
    return clone(plugins.encoder(given, record["modality"])).restore(record["state"])


def of_predictor(made: Predictor) -> Record:
    """The record of a predictor; late fusion is kept once where it is what predicts."""
    return {
        "target": made.target,
        "task": made.task.to_json(),
        "encoders": {modality: of_encoder(one) for modality, one in made.inputs.encoders.items()},
        "groups": {name: list(columns) for name, columns in made.inputs.groups.items()},
        "name": made.name,
        "alone": made.alone,
        "fusion": None if made.fusion is made.late else of("fuse", made.fusion),
        "late": of("fuse", made.late),
        "calibration": learned(made.calibration),
        "singles": {modality: learned(one) for modality, one in made.singles.items()},
        "conformal": learned(made.conformal),
    }


def predictor(record: Mapping[str, Any], given: Mapping[str, Any]) -> Predictor:
    """The predictor of a record."""
    encoders = {m: encoder(m, one, given.get(m)) for m, one in record["encoders"].items()}
    groups = {str(name): tuple(columns) for name, columns in record["groups"].items()}
    late = component("fuse", record["late"])
    return Predictor(
        str(record["target"]),
        Task.from_json(record["task"]),
        Inputs(encoders, groups),
        str(record["name"]),
        bool(record["alone"]),
        late if record["fusion"] is None else component("fuse", record["fusion"]),
        late,
        _calibration(record["calibration"]),
        {str(modality): _calibration(one) for modality, one in record["singles"].items()},
        Conformal(**record["conformal"]["params"]).restore(record["conformal"]["state"]),
    )


def _calibration(record: Mapping[str, Any]) -> Calibration:
    own: Calibration = Calibration(**record["params"]).restore(record["state"])
    return own
