"""Smaller weights from trained ones: extract, calibrate on simulated regions, prune or densify, compare, save."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flows.errors import ConfigError
from flows.prune_chips import CALIBRATION, HELD_OUT, agree, draw_chips, fed_modalities

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.prune_chips import Agreement
    from ringmoe_core import CheckpointMetadata, LoadedModel, RingMoE, RingMoEConfig

RANKINGS = {"output-norm": "output_norm", "frequency": "frequency"}
GATES = ("original", "recalibrated")
DENSE = ("KS", "KA", "KC", "select", "random", "random-experts")
SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRun:
    """What to do with which weights, as the command line gives it."""

    weights: str
    """Name of shipped weights, or a path."""

    modalities: tuple[str, ...] = ()
    """Those to keep; empty keeps all."""

    keep: float | None = None
    """Share of the collaborative experts that stay in each layer; None leaves the experts alone."""

    by: str | None = None
    """How experts are ranked, one of `RANKINGS`; None for the first. With `keep` alone."""

    gate: str | None = None
    """What becomes of the gates, one of `GATES`; None for the first. With `keep` alone."""

    dense: str | None = None
    """How a dense model is made, one of `DENSE`; None makes none."""

    ratio: int | None = None
    """Hidden width over input width of a dense model; None for that of one expert. With `dense` alone."""

    refit: bool | None = None
    """Whether a dense model's outgoing weights are fitted to the layers' outputs; None: unless it is `random`. With
    `dense` alone."""

    def __post_init__(self) -> None:
        if not self.modalities and self.keep is None and self.dense is None:
            raise ConfigError("nothing to prune: got no --modality, --keep or --dense; give at least one")
        if self.keep is not None and self.dense is not None:
            raise ConfigError(
                f"a dense model keeps no experts, got --keep {self.keep} and --dense {self.dense}; give one of them"
            )
        for name, value, choices, needed in (
            ("by", self.by, tuple(RANKINGS), self.keep),
            ("gate", self.gate, GATES, self.keep),
            ("dense", self.dense, DENSE, self.dense),
        ):
            if value is not None and value not in choices:
                raise ConfigError(f"--{name} must be one of {list(choices)}, got {value!r}; choose one of them")
            if value is not None and needed is None:
                raise ConfigError(f"--{name} belongs to --keep, got {value!r} without it; add --keep 0.25")
        for name, given in (("ratio", self.ratio), ("refit", self.refit)):
            if given is not None and self.dense is None:
                raise ConfigError(f"--{name} belongs to --dense, got {given!r} without it; add --dense select")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a model is."""

    total: int
    """Parameters."""

    active: int
    """Those that a token of the modality with the most channels meets."""

    file_bytes: int
    """Of the weights on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What was made of which weights."""

    source: str
    source_sha256: str
    out: str
    sha256: str
    run: dict[str, object]
    """The run as asked for."""

    calibration: dict[str, object] | None
    """Simulated chips that the experts were watched on; None where nothing had to be known of them."""

    before: Size
    after: Size
    agreement: Agreement | None
    """With the source, on held-out simulated chips; None where no modality left can be simulated."""

    seconds: float

    def to_dict(self) -> dict[str, object]:
        """Returns the report as JSON-able values."""
        return asdict(self)


def prune_weights(run: PruneRun, out: Path, *, say: Callable[[str], None] = print) -> PruneReport:
    """Makes smaller weights, writes them to `out` and compares them with their source.

    Nothing is trained: `ringmoe distil` teaches a dense model what its source says.

    Args:
        run: What to do.
        out: A `.safetensors` file, another than the source.
        say: Takes a line of progress.

    Raises:
        CheckpointError: The source is damaged.
        ConfigError: The run does not fit the source, or the output's name is wrong.
    """
    from flows.weights import weights_path
    from ringmoe_core import load_checkpoint, save_checkpoint

    started = time.monotonic()
    source = weights_path(run.weights)
    if out.suffix != SUFFIX or out.resolve() == source.resolve():
        raise ConfigError(f"--out must be a {SUFFIX} file other than the source, got {out}; name another")
    loaded = load_checkpoint(source)
    target = _target_config(run, loaded.model.config)
    fed = fed_modalities(target, loaded.metadata.trained_modalities)
    say(f"{source}: {_short(loaded.model.config)}")
    pruned, calibration = _prune(run, loaded.model, fed, say)
    assert pruned.config == target, "the configurations say what the model becomes"
    out.parent.mkdir(parents=True, exist_ok=True)
    metadata = _metadata(run, loaded, pruned.config, calibration)
    digest = save_checkpoint(pruned, out, metadata=metadata)
    agreement = None
    if fed:
        say(f"comparing on {HELD_OUT.regions} simulated regions")
        agreement = agree(load_checkpoint(out).model, loaded.model, draw_chips(HELD_OUT, fed))
    return PruneReport(
        source=str(source),
        source_sha256=loaded.sha256,
        out=str(out),
        sha256=digest,
        run=asdict(run),
        calibration=calibration,
        before=_size(loaded.model.config, source),
        after=_size(pruned.config, out),
        agreement=agreement,
        seconds=round(time.monotonic() - started, 1),
    )


def report_text(report: PruneReport) -> str:
    """Returns a report for a person."""
    from flows.tables import table

    rows = [
        (name, f"{size.total:,}", f"{size.active:,}", f"{size.file_bytes / 1e6:.2f} MB")
        for name, size in (("before", report.before), ("after", report.after))
    ]
    parts = [table(("", "parameters", "active", "file"), rows), ""]
    if report.agreement is None:
        parts.append("agreement not measured: no modality left was trained and can be simulated")
    else:
        found = report.agreement
        shares = [(name, value) for name, value in (("land cover", found.land_cover), ("change", found.change))]
        said = [f"{name} {100 * value:.1f} % of pixels" for name, value in shares if value is not None]
        parts.append(
            f"agreement with the source on {found.chips} simulated chips it never saw: "
            + ", ".join([*said, f"features {100 * found.features_error:.1f} % off"])
        )
    return "\n".join([*parts, f"wrote {report.out} in {report.seconds} s"])


def _target_config(run: PruneRun, config: RingMoEConfig) -> RingMoEConfig:
    """What the run will leave of a configuration, before any work is done."""
    from ringmoe_core.prune import dense_config, extracted_config, pruned_config

    try:
        if run.modalities:
            config = extracted_config(config, run.modalities)
        if run.keep is not None:
            return pruned_config(config, keep=run.keep, gate=_gate(run))
        return dense_config(config, mlp_ratio=run.ratio) if run.dense else config
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _gate(run: PruneRun) -> Literal["original", "recalibrated"]:
    return "recalibrated" if run.gate == "recalibrated" else "original"


def _prune(
    run: PruneRun, model: RingMoE, fed: tuple[str, ...], say: Callable[[str], None]
) -> tuple[RingMoE, dict[str, object] | None]:
    """The smaller model, and what it was calibrated on."""
    from ringmoe_core.prune import calibrate, densify, extract, prune_experts

    if run.modalities:
        model = extract(model, run.modalities)
    if run.keep is None and run.dense is None:
        return model, None
    if not fed:
        raise ConfigError(
            "calibration needs a modality that the weights were trained on and that can be simulated (optical, sar_l2, "
            f"ms), got none among {list(model.config.modalities)}; keep another modality"
        )
    say(f"calibrating on {CALIBRATION.regions} simulated regions of {', '.join(fed)}")
    calibration = calibrate(model, (batch.series for batch in draw_chips(CALIBRATION, fed)), seed=CALIBRATION.seed)
    told: dict[str, object] = {**asdict(CALIBRATION), "modalities": list(fed)}
    try:
        if run.keep is not None:
            ranking = RANKINGS[run.by or "output-norm"]
            return prune_experts(model, calibration, keep=run.keep, by=ranking, gate=_gate(run)), told  # type: ignore[arg-type]
        refit = run.dense != "random" if run.refit is None else run.refit
        say(f"making a dense model by {run.dense}{', outgoing weights refitted' if refit else ''}")
        return densify(model, calibration, method=run.dense, mlp_ratio=run.ratio, refit=refit), told  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _metadata(
    run: PruneRun, loaded: LoadedModel, config: RingMoEConfig, calibration: dict[str, object] | None
) -> CheckpointMetadata:
    """As the source's, with the modalities left and how the weights came about."""
    provenance = {
        "command": "ringmoe prune",
        "data": "simulated regions only, for calibration; nothing was trained",
        "source_sha256": loaded.sha256,
        "source_provenance": loaded.metadata.provenance,
        "calibration": calibration,
        **{name: value for name, value in asdict(run).items() if value not in (None, ())},
    }
    trained = tuple(name for name in loaded.metadata.trained_modalities if name in config.modalities)
    return replace(loaded.metadata, trained_modalities=trained, provenance=json.dumps(provenance))


def _size(config: RingMoEConfig, path: Path) -> Size:
    from ringmoe_core.sizes import count_parameters

    count = count_parameters(config)
    files = path.iterdir() if path.is_dir() else [path]
    return Size(total=count.total, active=count.active, file_bytes=sum(file.stat().st_size for file in files))


def _short(config: RingMoEConfig) -> str:
    return (
        f"{', '.join(config.modalities)}; {config.num_specialised} own and {config.num_collaborative} common experts a "
        f"layer, {config.num_layers} layers"
    )
