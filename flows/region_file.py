"""Reads a region's YAML into a `RegionConfig`, and says exactly what is wrong with it."""

from __future__ import annotations

import difflib
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from flows.config import RegionConfig
from flows.errors import ConfigError

KEY_SIMILARITY = 0.5
"""`difflib` ratio from which a known key is offered for an unknown one."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """`yaml.safe_load` that refuses a key given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Returns the mapping of a node, each of its keys seen once."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int, float)) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key if isinstance(key, (str, int, float)) else id(key_node))
        return super().construct_mapping(node, deep=deep)


def load_region(path: Path | str) -> RegionConfig:
    """Returns the region of a YAML file, its paths made absolute against the file's folder.

    Raises:
        ConfigError: The file is absent, is no YAML mapping, or breaks a rule; each fault is named by its YAML path.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"a region is a readable YAML file, got {path} ({error}); `ringmoe init` writes one"
        ) from error
    return parse_region(text, folder=path.resolve().parent, name=str(path))


def parse_region(text: str, *, folder: Path, name: str = "region") -> RegionConfig:
    """Returns the region of a YAML text.

    Args:
        text: The YAML.
        folder: Folder that relative paths stand against.
        name: What error messages call the text.

    Raises:
        ConfigError: As `load_region`.
    """
    try:
        document = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 a SafeLoader with one more check
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: a region must be valid YAML, got: {error}") from error
    except ValueError as error:  # PyYAML makes dates of texts that look like one, and lets their error out
        raise ConfigError(
            f"{name}: a date must be in the calendar, got one that is not ({error}); write year-month-day"
        ) from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"{name}: a region must be a mapping of keys, got {type(document).__name__}; see `ringmoe init`"
        )
    try:
        config = RegionConfig.model_validate(document)
    except ValidationError as error:
        faults = "\n".join(f"  {_describe(fault)}" for fault in _root_faults(error))
        raise ConfigError(f"{name}: the region is not valid:\n{faults}") from error
    return _absolute(config, folder.resolve())


def dump_region(config: RegionConfig) -> str:
    """Returns the resolved region as YAML, every key written out; reading it gives an equal config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _absolute(config: RegionConfig, folder: Path) -> RegionConfig:
    def resolve(path: str | Path) -> Path:
        return Path((folder / Path(path).expanduser()).absolute())

    sources = []
    for source in config.sources:
        near_file = source.is_path or (folder / source.catalog).is_file()
        catalog = str(resolve(source.catalog)) if near_file and "://" not in source.catalog else source.catalog
        sources.append(source.model_copy(update={"catalog": catalog}))
    area = config.area
    if area.geojson is not None:
        area = area.model_copy(update={"geojson": resolve(area.geojson)})
    inference = config.inference
    if "/" in inference.weights or inference.weights.endswith(".safetensors"):
        inference = inference.model_copy(update={"weights": str(resolve(inference.weights))})
    own = tuple(entry.model_copy(update={"head": resolve(entry.head)}) for entry in config.own)
    scenes = None if config.scenes is None else resolve(config.scenes)
    completeness = config.completeness
    second = completeness.second_catalog
    if second and "://" not in second and (config.sources[0].model_copy(update={"catalog": second}).is_path):
        completeness = completeness.model_copy(update={"second_catalog": str(resolve(second))})
    update = {
        "output": resolve(config.output),
        "scenes": scenes,
        "completeness": completeness,
        "sources": tuple(sources),
        "area": area,
        "inference": inference,
        "own": own,
    }
    return config.model_copy(update=update)


def _root_faults(error: ValidationError) -> list[dict[str, Any]]:
    """The faults without those that only follow from one deeper in the document (a list emptied by a bad entry)."""
    faults: list[dict[str, Any]] = [dict(fault) for fault in error.errors()]
    places = [fault["loc"] for fault in faults]

    def follows(fault: dict[str, Any]) -> bool:
        place = fault["loc"]
        return fault["type"] == "too_short" and any(len(p) > len(place) and p[: len(place)] == place for p in places)

    return [fault for fault in faults if not follows(fault)]


def _describe(fault: dict[str, Any]) -> str:
    where = yaml_path(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: {_unknown_key(fault['loc'])}"
    if fault["type"] == "missing":
        return f"{where}: the key is required; add it"
    if fault["type"] == "model_type":
        known = known_keys(fault["loc"])
        example = f"{where}: {{{known[0]}: ...}}"
        return f"{where}: must hold keys, got {fault['input']!r}; write {example}. Known keys: {', '.join(known)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "string_pattern_mismatch":
        allowed = _field_description(fault["loc"])
        return f"{where}: must be {allowed or message}, got {fault['input']!r}"
    if fault["type"] == "value_error":
        return f"{where}: {message}"
    return f"{where}: {message}, got {fault.get('input')!r}"


def _field_description(location: tuple[int | str, ...]) -> str:
    """What a key's own description says of the values that it takes, without the full stop."""
    model = _model_at(location[:-1])
    field = model.model_fields.get(str(location[-1])) if model is not None else None
    told = "" if field is None or not field.description else field.description.rstrip(".")
    return told[:1].lower() + told[1:]


def yaml_path(location: tuple[int | str, ...]) -> str:
    """Returns a location in the document as a person writes it: `sources[0].collections`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "region"


def _unknown_key(location: tuple[int | str, ...]) -> str:
    key, known = str(location[-1]), known_keys(location[:-1])
    near = difflib.get_close_matches(key, known, n=1, cutoff=KEY_SIMILARITY)
    hint = f"did you mean `{near[0]}`?" if near else "remove it."
    return f"unknown key `{key}`; {hint} Known keys here: {', '.join(known)}"


def known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Returns the keys that may stand at a location of the document, sorted."""
    model = _model_at(location)
    return [] if model is None else sorted(model.model_fields)


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    model: Any = RegionConfig
    for part in location:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        model = _model_within(model.model_fields[part].annotation)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _model_within(annotation: Any) -> Any:
    """The pydantic model inside `X | None` or `tuple[X, ...]`, or the annotation itself."""
    if get_origin(annotation) in {Union, types.UnionType, tuple}:
        inner = [_model_within(argument) for argument in get_args(annotation)]
        return next((entry for entry in inner if isinstance(entry, type) and issubclass(entry, BaseModel)), annotation)
    return annotation
