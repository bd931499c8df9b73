"""Lets rasterio find its Python openers from every thread.

rasterio 1.4 keeps the files that Python serves to GDAL in two context variables, set in the thread that imported it: a
thread with a context of its own finds nothing, and GDAL gets neither the file nor its end (`LookupError` in
`rasterio/_vsiopener.pyx`). The variables are set to the same two dictionaries wherever a file is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import rasterio._vsiopener

if TYPE_CHECKING:
    from contextvars import ContextVar

VARIABLES: Final = ("_OPENER_REGISTRY", "_OPEN_FILE_EXIT_STACKS")
"""Names in rasterio 1.4; a version that has them no more is taken to have mended this, and the tests look."""

_SHARED: Final[dict[str, dict[object, object]]] = {name: {} for name in VARIABLES}


def share_openers() -> None:
    """Makes the files of all threads known to the context of this one."""
    for name, shared in _SHARED.items():
        variable: ContextVar[dict[object, object]] | None = getattr(rasterio._vsiopener, name, None)  # noqa: SLF001 nothing public reaches them
        if variable is None:
            continue
        own = variable.get(shared)
        if own is not shared:
            shared.update(own)  # files that others opened in this context
        variable.set(shared)
