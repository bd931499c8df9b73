"""What a caller may choose about a cube."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from pipelines.cube.recipe import Recipe
from pipelines.schema import GROUPS

if TYPE_CHECKING:
    from pipelines.cube.coregister import CoregisterOptions
    from pipelines.cube.read_policy import ReadPolicy
    from pipelines.cube.verdict import OnContradiction

CLUSTER: Final = re.compile(r"threads|local|(tcp|tls)://[^\s/:]+:\d{1,5}")
"""What `BuildOptions.cluster` may be."""

ReaderName = Literal["windows", "stackstac"]
READERS: Final[tuple[ReaderName, ...]] = get_args(ReaderName)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """Bands, chunks and threads of a build; a region needs none of them."""

    bands_s2: tuple[str, ...] | None = None
    """Sentinel-2 bands in their order in the cube. None: those of B02 B03 B04 B05 B06 B07 B08 B8A B11 B12 that a scene
    carries, or those of an existing cube."""

    bands_s1: tuple[str, ...] | None = None
    """Polarisations. None: those of VV VH HH HV that a scene carries, or those of an existing cube."""

    bands_l8: tuple[str, ...] | None = None
    """Landsat bands. None: the reflectance bands SR_B2 to SR_B7 that a scene carries, or those of an existing cube."""

    bands_modis: tuple[str, ...] | None = None
    """MODIS bands. None: the land bands 1 to 7 that a scene carries, or those of an existing cube."""

    bands_vhr: tuple[str, ...] | None = None
    """Bands of aerial and very high resolution images. None: blue, green, red and nir that a scene carries."""

    bands_slc: tuple[str, ...] | None = None
    """Polarisations of geocoded single-look complex images. None: those of VV VH HH HV that a scene carries."""

    recipe: Recipe = Recipe()  # noqa: RUF009 frozen
    """Optional steps of physics; what was applied stands in the cube, and a cube keeps to one recipe."""

    on_contradiction: OnContradiction = "quarantine"
    """What to do with a Sentinel-2 scene whose pixels contradict the radiometric rule of its metadata."""

    coregister: CoregisterOptions | None = None
    """What is done about scenes that lie beside the others of their group; None does not look."""

    reader: ReaderName = "windows"
    """Who reads rasters: `windows`, whole tiles and one warp for all bands, or `stackstac`, the slower second opinion.
    Warped values of the two may differ in their last step."""

    chunk: int = 512
    """Side of a stored chunk in pixels; a smaller grid is one chunk. An existing cube keeps its own."""

    num_threads: int = 4
    """Units read, converted and written at once: threads, or processes where `cluster` is `local`."""

    cluster: str = "threads"
    """Who works: `threads` of this process, `local` for processes of this machine, or the `tcp://host:port` of a Dask
    scheduler. The cube is the same, bit by bit."""

    memory: int | None = None
    """Bytes that the build may use: of this machine, or of each worker of a cluster elsewhere. None: half of what there
    is. Units become smaller and fewer until they fit; where not one does, the build is refused."""

    retries: int = 2
    """How often a unit is tried again for a fault that may pass: a busy or failing server, an answer that stays out."""

    retry_wait_s: float = 2.0
    """Wait before the first of these tries; each later one is twice the one before, 30 s at most."""

    reading: ReadPolicy | None = None
    """Timeouts, retries and checksums of files; None goes by the policy of this process (`use_read_policy`)."""

    title: str = "Co-registered Sentinel-1 and Sentinel-2 cube"
    """Title in the attributes of a new cube."""

    run_id: str = ""
    """Id of the run, in every commit; '' draws a random one."""

    def __post_init__(self) -> None:
        for group in GROUPS:
            bands = self.bands(group)
            if bands is not None and (not bands or len(set(bands)) != len(bands)):
                raise ValueError(f"bands_{group} names at least one band, each once, got {bands}; leave it out")
        if self.on_contradiction not in ("quarantine", "pixels", "metadata"):
            raise ValueError(
                f"on_contradiction is quarantine, pixels or metadata, got {self.on_contradiction!r}; choose one"
            )
        if self.reader not in READERS:
            raise ValueError(f"reader is one of {', '.join(READERS)}, got {self.reader!r}; choose one")
        if self.chunk < 1 or self.num_threads < 1:
            raise ValueError(f"chunk and num_threads are at least 1, got {self.chunk} and {self.num_threads}")
        if not CLUSTER.fullmatch(self.cluster):
            raise ValueError(f"cluster is threads, local or tcp://host:port, got {self.cluster!r}; choose one")
        if (self.memory is not None and self.memory < 1) or self.retries < 0 or self.retry_wait_s < 0:
            raise ValueError(
                f"memory is positive, retries and retry_wait_s are not negative, got {self.memory}, {self.retries} and "
                f"{self.retry_wait_s}; correct them"
            )

    def bands(self, group: str) -> tuple[str, ...] | None:
        """Returns the bands asked for in a group, None where none were named."""
        named: tuple[str, ...] | None = getattr(self, f"bands_{group}")
        return named
