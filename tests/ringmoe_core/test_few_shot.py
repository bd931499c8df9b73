from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from ringmoe_core.few_shot import (
    EpisodeScores,
    EpisodeSpec,
    draw_episodes,
    evaluate_episodes,
    fit_linear_probe,
    fit_prototypes,
)


@pytest.fixture(scope="module")
def clouds():
    """Seven overlapping classes of unequal size in twelve dimensions."""
    generator = np.random.default_rng(3)
    labels = np.repeat(np.arange(7), [12, 30, 25, 40, 9, 22, 31])
    centres = generator.normal(0, 1.2, (7, 12))
    return torch.from_numpy(centres[labels] + generator.normal(0, 1, (len(labels), 12))), torch.from_numpy(labels)


def test_prototypes_agree_with_scikit_learn(clouds):
    vectors, labels = clouds
    queries = vectors + 0.8 * torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0)).double()
    ours = fit_prototypes(vectors, labels, 7, metric="euclidean").predict(queries)
    theirs = NearestCentroid().fit(vectors.numpy(), labels.numpy()).predict(queries.numpy())
    np.testing.assert_array_equal(ours.numpy(), theirs)


def test_cosine_prototypes_are_means_of_directions(clouds):
    vectors, labels = clouds
    scale = torch.linspace(0.1, 50, len(vectors)).double()[:, None]
    fitted = fit_prototypes(vectors * scale, labels, 7)
    unit = normalize(vectors.numpy())
    means = np.stack([unit[labels.numpy() == label].mean(0) for label in range(7)])
    np.testing.assert_allclose(fitted.means_KD.numpy(), means)
    wanted = unit @ normalize(means).T
    np.testing.assert_allclose(fitted.scores(3.0 * vectors).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_linear_probe_agrees_with_scikit_learn(clouds, penalty):
    vectors, labels = clouds
    probe = fit_linear_probe(vectors, labels, 7, penalty=penalty)
    other = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000).fit(vectors.numpy(), labels.numpy())
    np.testing.assert_allclose(probe.weight_KD.numpy(), other.coef_, atol=2e-4)
    np.testing.assert_allclose(
        torch.softmax(probe.scores(vectors), 1).numpy(), other.predict_proba(vectors.numpy()), atol=2e-4
    )
    assert float(probe.bias_K.mean()) == pytest.approx(0, abs=1e-12)


def test_linear_probe_in_inference_mode(clouds):
    vectors, labels = clouds
    with torch.inference_mode():
        inside = fit_linear_probe(vectors.float() * 1.0, labels, 7)
    assert torch.equal(inside.weight_KD, fit_linear_probe(vectors.float(), labels, 7).weight_KD)


def test_episodes_are_disjoint_seeded_and_prefixes_of_longer_draws(clouds):
    labels = clouds[1].numpy().copy()
    labels[0] = -1
    spec = EpisodeSpec(num_ways=3, num_shots=4, num_queries=5)
    drawn = draw_episodes(labels, spec, num_episodes=40, seed=1)
    for one in drawn:
        assert len(set(one.classes)) == 3
        rows = np.concatenate([one.support, one.query], axis=1)
        assert (labels[rows] == one.classes[:, None]).all()
        assert len(np.unique(rows)) == rows.size
    short = draw_episodes(labels, spec, num_episodes=3, seed=1)
    assert all(
        (a.support == b.support).all() and (a.query == b.query).all() for a, b in zip(short, drawn, strict=False)
    )
    other = draw_episodes(labels, spec, num_episodes=3, seed=2)
    assert not all((a.support == b.support).all() for a, b in zip(short, other, strict=True))
    assert {int(label) for one in drawn for label in one.classes} == set(range(7))


@pytest.mark.parametrize("classifier", ["prototype", "euclidean", "linear"])
def test_episode_accuracy_equals_a_slow_loop(clouds, classifier):
    vectors, labels = clouds
    spec = EpisodeSpec(num_ways=3, num_shots=3, num_queries=5)
    scores = evaluate_episodes(vectors, labels.numpy(), spec, num_episodes=12, seed=5, classifier=classifier)
    for value, one in zip(scores.values, draw_episodes(labels.numpy(), spec, num_episodes=12, seed=5), strict=True):
        shown, shown_labels = vectors[one.support.ravel()].numpy(), np.repeat(range(3), 3)
        asked, truth = vectors[one.query.ravel()].numpy(), np.repeat(range(3), 5)
        if classifier == "linear":
            found = LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit(shown, shown_labels).predict(asked)
        else:
            rows = normalize(shown) if classifier == "prototype" else shown
            means = np.stack([rows[shown_labels == label].mean(0) for label in range(3)])
            if classifier == "prototype":
                found = (asked @ normalize(means).T).argmax(1)
            else:
                found = ((asked[:, None] - means) ** 2).sum(-1).argmin(1)
        assert value == pytest.approx((found == truth).mean())


def test_interval_covers_the_long_run_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    drawn = (EpisodeScores(values=generator.binomial(75, 0.7, 100) / 75).interval for _ in range(1000))
    covered = [low <= 0.7 <= high for low, high in drawn]
    assert 0.92 < np.mean(covered) < 0.98
    values = np.array([0.5, 0.7, 0.9])
    assert EpisodeScores(values=values).half_width == pytest.approx(1.959964 * 0.2 / math.sqrt(3))
    assert math.isnan(EpisodeScores(values=np.array([0.5])).half_width)
    assert math.isnan(EpisodeScores(values=np.array([np.nan])).mean)


def test_what_cannot_be_learned_from_is_refused(clouds):
    vectors, labels = clouds
    with pytest.raises(ValueError, match=r"none of \[7\]"):
        fit_prototypes(vectors, labels, 8)
    with pytest.raises(ValueError, match="0 to 5"):
        fit_linear_probe(vectors, labels, 6)
    with pytest.raises(ValueError, match="penalty"):
        fit_linear_probe(vectors, labels, 7, penalty=0)
    with pytest.raises(ValueError, match="metric"):
        fit_prototypes(vectors, labels, 7, metric="dot")
    with pytest.raises(ValueError, match=r"too few rows: \{4: 9\}"):
        draw_episodes(labels.numpy(), EpisodeSpec(num_ways=7, num_shots=5, num_queries=5), num_episodes=1, seed=0)
    with pytest.raises(ValueError, match="two classes"):
        EpisodeSpec(num_ways=1)
    with pytest.raises(ValueError, match="classifier"):
        evaluate_episodes(vectors, labels.numpy(), EpisodeSpec(), classifier="svm")


def test_vectors_that_are_no_numbers_are_refused():
    vectors = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    vectors[2, 1] = math.nan
    labels = torch.tensor([0, 0, 1, 1])
    for fit in (fit_prototypes, fit_linear_probe):
        with pytest.raises(ValueError, match=r"finite.* rows \[2\]"):
            fit(vectors, labels, 2)


def test_a_probe_that_did_not_reach_its_minimum_says_so(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    vectors = 30 * torch.randn(60, 32, generator=generator) * torch.logspace(-2, 1, 32)
    monkeypatch.setattr("ringmoe_core.few_shot.linear_probe.MAX_ROUNDS", 20)
    with pytest.warns(RuntimeWarning, match="standardise the channels"):
        fit_linear_probe(vectors, torch.arange(60) % 5, 5)
