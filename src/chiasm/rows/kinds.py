"""Arrow's types as the few kinds that matter here: text, bytes, lists, numbers, references."""

from __future__ import annotations

import pyarrow as pa

STRING, BINARY = pa.large_string(), pa.large_binary()
REFERENCE = pa.struct([("bytes", BINARY), ("path", STRING)])


def is_string(kind: pa.DataType) -> bool:
    """Whether cells are text of any width."""
    tests = (pa.types.is_string, pa.types.is_large_string)
    return any(test(kind) for test in tests)


def is_binary(kind: pa.DataType) -> bool:
    """Whether cells are bytes."""
    tests = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
    )
    return any(test(kind) for test in tests)


def is_list(kind: pa.DataType) -> bool:
    """Whether cells are lists."""
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests)


def is_number(kind: pa.DataType) -> bool:
    """Whether cells are integers, floats or decimals."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def is_reference(kind: pa.DataType) -> bool:
    """Whether cells are structs of bytes and path, as Hugging Face stores images and audio."""
    if not pa.types.is_struct(kind):
        return False
    fields = {f.name: f.type for f in kind if f.name in ("bytes", "path")}
    holds = {"bytes": is_binary, "path": is_string}  # not a number of bytes, not a path of points
    return bool(fields) and all(pa.types.is_null(of) or holds[name](of) for name, of in fields.items())


def is_referring(kind: pa.DataType) -> bool:
    """Whether cells are references or lists of them, as `conform` stores media."""
    return bool((kind.value_type if is_list(kind) else kind) == REFERENCE)
