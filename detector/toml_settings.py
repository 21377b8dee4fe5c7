"""TOML -> a pydantic model, or one line that says which key is wrong and what was probably meant."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from detector.errors import SettingsInvalid

Model = TypeVar("Model", bound=BaseModel)
#: A finite number, and a whole one, as TOML writes them: `"0.4"` and `true` are mistakes, not numbers.
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
WholeNumber = Annotated[int, Field(strict=True)]

#: Kind of pydantic's error -> what to do, where its own words do not say.
_REMEDIES = {
    "tuple_type": 'give a list in brackets: {key} = ["a", "b"], or {key} = [1, 2] where numbers are meant',
    "dict_type": "make it a table: [{key}], and below it a line for each name",
    "less_than_equal": "give at most {le:g}; where that is 1, a share and not per cent is meant",
}


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file. Raises SettingsInvalid, in one line, when it cannot be read or is not TOML."""
    try:
        return parse_toml(path.read_bytes(), str(path))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsInvalid(f"{path}: cannot be read ({reason})", remedy="name a settings file in TOML") from None


def parse_toml(data: bytes, source: str) -> dict[str, Any]:
    """The values of TOML in UTF-8; `source` names it in messages. Raises SettingsInvalid as `read_toml`."""
    try:
        # Editors of Windows put a mark before the text.
        return tomllib.loads(data.decode("utf-8-sig"))
    # Brackets within brackets, by the thousand, are more than the parser's own depth.
    except (ValueError, RecursionError) as error:
        raise SettingsInvalid(f"{source}: not TOML ({error})", remedy="correct that line of the file") from None


def validated(model: type[Model], values: dict[str, Any], source: str) -> Model:
    """`values` as `model`. Raises SettingsInvalid naming source, key and, for an unknown key, the nearest known one."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(model, error, source) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'gun'?`, or nothing where no name comes near."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""


def _refusal(model: type[BaseModel], error: ValidationError, source: str) -> SettingsInvalid:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        names = tuple(_section(model, first["loc"][:-1]).model_fields)
        hint = nearest(str(first["loc"][-1]), names)
        return SettingsInvalid(f"{source}: unknown key {key!r}{hint}", remedy=f"the keys are: {', '.join(names)}")
    if not key:
        # A rule about several keys at once; pydantic puts its own two words before ours.
        return SettingsInvalid(f"{source}: {first['msg'].removeprefix('Value error, ')}")
    if first["type"] == "missing":
        return SettingsInvalid(f"{source}: {key} is missing", remedy="give it a value")
    told = f"{source}: {key} = {_short(first['input'])}: {first['msg'].lower()}"
    # Without one of ours the error's own stands, as it is.
    remedy = _REMEDIES.get(first["type"], "").format(**first.get("ctx", {}) | {"key": key})
    return SettingsInvalid(told, remedy=remedy)


def _section(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the section in which the key stands."""
    for part in location:
        inner = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:
        # Python writes no number of more than 4300 digits, but reads one that is given in base 16.
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."
