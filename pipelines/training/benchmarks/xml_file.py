"""A small XML annotation, parsed without document types, entities or anything fetched."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.errors import SampleError

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

MAX_BYTES: Final = 1 << 24
"""16 MiB; the largest annotation of the listed sets has some 100 kB."""

AGAIN: Final = "get the set's annotations again"


def read_xml(path: Path) -> Element:
    """The root element.

    Raises:
        SampleError: The file is missing, empty, damaged, too large, nested too deeply, or declares a document type.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SampleError(path, f"must have at most {MAX_BYTES} bytes, got {size}", "check that it is the set's")
        content = path.read_bytes()
    except OSError as error:
        raise SampleError(path, f"the annotation must be readable ({error})", AGAIN) from error
    if not content.strip():
        raise SampleError(path, "an annotation must not be empty, it is", AGAIN)
    from pipelines.cube.annotation_file import parse_xml  # rasterio comes with it: not for a list of names

    try:
        return parse_xml(iter([content]))
    except ValueError as error:
        raise SampleError(path, f"must be plain XML ({error})", AGAIN) from error


def text_of(element: Element, tag: str, path: Path) -> str:
    """The text of a child, without blanks around it.

    Raises:
        SampleError: There is no such child, or it is empty.
    """
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise SampleError(path, f"<{element.tag}> must hold <{tag}> with a value, it does not", AGAIN)
    return text


def number_of(element: Element, tag: str, path: Path) -> float:
    """The finite number in a child.

    Raises:
        SampleError: There is none.
    """
    text = text_of(element, tag, path)
    try:
        number = float(text)
    except ValueError as error:
        raise SampleError(path, f"<{tag}> must be a number, got {text!r}", AGAIN) from error
    if not math.isfinite(number):
        raise SampleError(path, f"<{tag}> must be finite, got {text!r}", AGAIN)
    return number
