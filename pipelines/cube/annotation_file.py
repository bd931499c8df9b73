"""Reads XML that came from outside: whole files only of a bounded size, and no document type, hence no entities.

A document type declaration is what lets XML name files, fetch addresses and grow a line into gigabytes. No annotation
has one, so any is refused before anything in it is looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pipelines.cube.errors import ReadFailed
from pipelines.cube.raster_file import RasterUnreadable
from pipelines.cube.remote_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 64 << 20
"""The largest annotations of Sentinel-1, of noise, hold about 3 MB."""

MAX_DEPTH: Final = 100
MAX_ELEMENTS: Final = 1 << 20
"""Elements and attributes: an element of 4 bytes takes some 90 of memory. Annotations of Sentinel-1 have some 1e5."""

_PIECE: Final = 1 << 20


def read_annotation(href: str, scene_id: str) -> Element:
    """Returns the root element of an XML file.

    Args:
        href: Path or address, already checked against the provider's table.
        scene_id: For the message.

    Raises:
        ReadFailed: Missing, refused, too large, no XML, or XML with a document type.
    """
    try:
        return parse_xml(_pieces(href))
    except RasterUnreadable as error:
        raise ReadFailed(scene_id=scene_id, href=error.href, cause=error.cause, fault=error.fault) from error
    except FileNotFoundError as error:
        raise ReadFailed(scene_id=scene_id, href=href, cause="there is no such file", fault="missing") from error
    except PermissionError as error:
        raise ReadFailed(scene_id=scene_id, href=href, cause="the file may not be read", fault="refused") from error
    except (OSError, ValueError) as error:
        raise ReadFailed(scene_id=scene_id, href=href, cause=str(error)) from error


def parse_xml(pieces: Iterator[bytes]) -> Element:
    """Returns the root element of an XML document given piece by piece.

    Raises:
        ValueError: Too large or too deep, no XML, or with a document type.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1 + len(attributes)
        if depth > MAX_DEPTH:
            raise ValueError(f"an annotation nests at most {MAX_DEPTH} elements, this one more; it is none")
        if count > MAX_ELEMENTS:
            raise ValueError(f"an annotation has at most {MAX_ELEMENTS} elements, this one more; it is none")
        builder.start(_bare(tag), {_bare(name): value for name, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_bare(tag))

    def refuse(*_: object) -> None:
        raise ValueError("an annotation has no document type, this one declares one; not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.UnparsedEntityDeclHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    size = 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > MAX_BYTES:
                raise ValueError(f"an annotation holds at most {MAX_BYTES >> 20} MiB, this one more; not read")
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ValueError(f"an annotation is XML, this is not: {error}; the file is damaged") from error
    return builder.close()


def _bare(name: str) -> str:
    """A name without its namespace: annotations use none, the manifest uses each name once."""
    return name.rpartition(" ")[2]


def _pieces(href: str) -> Iterator[bytes]:
    if "://" in href:
        yield from whole_file(href)
        return
    with Path(href).open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
