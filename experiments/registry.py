"""Every claim that is made of the model, in the order of docs/results.md."""

from __future__ import annotations

from experiments.claim import Claim, Contrast

NULL = "Not detected at this size; the smallest effect that would have been: {smallest}."
FIXED = "as many seeds as stated, all of them, whatever the first ones show"

CLAIMS = (
    Claim(
        name="modalities",
        question="Does a model of both sensors map better than one of either, when clouds hide the optical one?",
        arms=("both", "optical", "radar"),
        conditions=("cloud 0 %", "cloud 25 %", "cloud 50 %", "cloud 75 %", "cloud 100 %"),
        primary=Contrast(arm="both", against="optical", conditions=("cloud 50 %", "cloud 75 %", "cloud 100 %")),
        others=(
            Contrast(arm="both", against="radar"),
            Contrast(arm="both", against="optical", conditions=("cloud 0 %",)),
        ),
        seeds=8,
        minutes=10,
        metric="mIoU",
        stop_rule=FIXED,
        wording_null=NULL,
        runner="modalities",
        caveat="The optical arm never saw radar; at 100 % cloud it sees nothing at all.",
    ),
    Claim(
        name="sparse-flops",
        question="Is a mixture of experts better than a dense model of equal FLOPs, after as many steps?",
        arms=("sparse", "dense"),
        conditions=("all",),
        primary=Contrast(arm="sparse", against="dense"),
        seeds=5,
        minutes=8,
        metric="mIoU",
        stop_rule=FIXED,
        wording_null=NULL,
        runner="sparse_flops",
        caveat="At this size a dense model trains 1.5 to 3.8 times as fast: equal FLOPs are not equal cost.",
    ),
    Claim(
        name="sparse-time",
        question="Is a mixture of experts better than a dense model that was given as much CPU time?",
        arms=("sparse", "dense"),
        conditions=("all",),
        primary=Contrast(arm="sparse", against="dense"),
        seeds=5,
        minutes=8,
        metric="mIoU",
        stop_rule=FIXED,
        wording_null=NULL,
        runner="sparse_time",
        caveat="CPU time of one process on one thread; an accelerator with large batches would weigh it otherwise.",
    ),
    Claim(
        name="experts",
        question="Does either kind of expert help, where the others are widened to equal FLOPs?",
        arms=("all kinds", "no specialised", "no collaborative", "shared alone"),
        conditions=("all",),
        primary=Contrast(arm="all kinds", against="shared alone"),
        others=(
            Contrast(arm="all kinds", against="no specialised"),
            Contrast(arm="all kinds", against="no collaborative"),
        ),
        seeds=5,
        minutes=8,
        metric="mIoU",
        stop_rule=FIXED,
        wording_null=NULL,
        runner="experts",
        caveat="The shared expert is part of every block and cannot be left out.",
    ),
    Claim(
        name="sar-objective",
        question="Does predicting the covariance of complex radar teach more than predicting I and Q, for 100 labels?",
        arms=("covariance", "span", "log_l1", "raw", "none"),
        conditions=("land cover", "polarimetric pair"),
        primary=Contrast(arm="covariance", against="raw"),
        others=(
            Contrast(arm="covariance", against="span", conditions=("polarimetric pair",)),
            Contrast(arm="covariance", against="log_l1"),
            Contrast(arm="covariance", against="none"),
        ),
        seeds=8,
        minutes=6,
        metric="balanced accuracy",
        stop_rule=FIXED,
        wording_null=NULL,
        runner="sar_objective",
        caveat="The simulator draws circular Gaussian speckle with K texture: near what covariance assumes.",
    ),
    Claim(
        name="pretraining",
        question="Does pre-training without labels help where labels are few, and which kind?",
        arms=("masked", "contrastive", "both", "neither"),
        conditions=("10 labels", "100 labels", "1000 labels"),
        primary=Contrast(arm="masked", against="neither"),
        others=(
            Contrast(arm="both", against="masked"),
            Contrast(arm="both", against="contrastive"),
            Contrast(arm="contrastive", against="neither"),
        ),
        seeds=5,
        minutes=8,
        metric="balanced accuracy",
        stop_rule=FIXED,
        wording_null=NULL,
        runner="pretraining",
        caveat="A linear probe of frozen features, not fine-tuning; the labels are pixels.",
    ),
    Claim(
        name="pruning",
        question="After the same distillation, are the experts' weights worth more than random ones in their place?",
        arms=("select", "KC", "KA", "KS", "random-experts", "random"),
        conditions=("distilled",),
        primary=Contrast(arm="select", against="random-experts"),
        others=(
            Contrast(arm="KC", against="random-experts"),
            Contrast(arm="KA", against="random-experts"),
            Contrast(arm="KS", against="random-experts"),
            Contrast(arm="select", against="random"),
        ),
        seeds=5,
        minutes=5,
        metric="mIoU",
        stop_rule=FIXED,
        wording_null=NULL,
        runner="",
        source="docs/results/pruning_scenes.csv",
        caveat="Imported from the [pruning study](pruning-study.md), which had pooled the scenes and was read before "
        "this contrast was chosen: a retelling by the rule of this page, no new evidence.",
    ),
)


def claim(name: str) -> Claim:
    """Returns a claim by name.

    Raises:
        ValueError: There is none.
    """
    for entry in CLAIMS:
        if entry.name == name:
            return entry
    raise ValueError(f"a claim is one of {[entry.name for entry in CLAIMS]}, got {name!r}; choose one of them")
