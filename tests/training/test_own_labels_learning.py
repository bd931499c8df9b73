"""Heads learn what is there and nothing else: one solution, no leak between folds, honest confidence."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from pipelines.training.own_labels.accuracy import accuracy
from pipelines.training.own_labels.calibration import blend, blended_temperature, calibration
from pipelines.training.own_labels.crossing import Samples, cross_validate
from pipelines.training.own_labels.design import FOREST, HEAD, MAJORITY, evaluate, simple_learners
from pipelines.training.own_labels.errors import LabelError
from pipelines.training.own_labels.folds import Folds, grouped_folds
from pipelines.training.own_labels.learner import fit_linear, forest, majority, standard
from pipelines.training.own_labels.pixel_learner import fit_pixel_head, pixel_learner
from pipelines.training.own_labels.views import Views, single_views
from ringmoe_core.heads.pixel import PixelHead


def clouds(seed, num=300, classes=3, spread=1.0, features=5):
    random = np.random.default_rng(seed)
    label = random.integers(0, classes, num)
    centre = random.normal(size=(classes, features)) * 2
    return (centre[label] + spread * random.normal(size=(num, features))).astype(np.float32), label


def samples_of(features, label):
    places = np.arange(len(label), dtype=np.float64)
    return Samples(views=single_views(features), label=label, x=places, y=places, num_classes=int(label.max()) + 1)


def test_the_linear_head_has_the_solution_of_sklearn():
    features, label = clouds(0)
    l2 = 0.01
    weights, biases = fit_linear(torch.from_numpy(features), torch.from_numpy(label), torch.ones(len(label)), 3, l2=l2)
    peer = LogisticRegression(C=1 / (l2 * len(label)), max_iter=5000, tol=1e-10).fit(features, label)
    scores = torch.from_numpy(features).double() @ weights.T + biases
    np.testing.assert_allclose(scores.softmax(1).numpy(), peer.predict_proba(features), atol=2e-3)


def test_weights_count_as_repetitions():
    features, label = clouds(1, num=60)
    twice = np.r_[np.arange(60), np.arange(20)]
    weight = np.ones(60)
    weight[:20] = 2
    one = fit_linear(torch.from_numpy(features), torch.from_numpy(label), torch.from_numpy(weight), 3)
    two = fit_linear(torch.from_numpy(features[twice]), torch.from_numpy(label[twice]), torch.ones(80), 3)
    np.testing.assert_allclose(one[0].numpy(), two[0].numpy(), atol=1e-4)


@pytest.mark.parametrize("hidden", [0, 16])
def test_a_head_learns_and_repeats_itself(hidden):
    features, label = clouds(2)
    heads = [fit_pixel_head(features, label, np.ones(300), 3, num_maps=5, hidden=hidden, seed=7) for _ in range(2)]
    answers = [head(torch.from_numpy(features)).detach().numpy() for head in heads]
    assert (answers[0] == answers[1]).all()
    assert (answers[0].argmax(1) == label).mean() > 0.9


def test_missing_statistics_are_marked_and_never_zero():
    head = PixelHead(1, 2, 2)
    head.set_standard(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 2.0, 2.0]))
    rows = torch.tensor([[2.0, float("nan"), 0.0], [2.0, 2.0, 0.0]])
    assert head.inputs(rows).tolist() == [[1, 0, -2, 1, 0], [1, 0, -2, 0, 0]]
    planes = rows.T[None, :, None, :].expand(1, 3, 4, 2)
    assert torch.equal(head(planes)[0, :, 2].T, head(rows))
    with pytest.raises(ValueError, match="features must be 1 of maps and 2 statistics, got 4"):
        head(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="reads maps or statistics"):
        PixelHead(0, 0, 2)


def test_a_standard_sees_only_what_is_there():
    rows = np.array([[1.0, np.nan, 5.0], [3.0, np.nan, np.nan], [5.0, np.nan, 9.0]], dtype=np.float32)
    known = standard(rows, np.ones(3))
    assert known.centre.tolist() == pytest.approx([3, 0, 7])
    assert known.spread.tolist() == pytest.approx([np.sqrt(8 / 3), 1, 2])


def test_folds_hide_what_only_a_neighbour_knows():
    """Each block has a signature of its own and one class: a random split would learn it by heart."""
    random = np.random.default_rng(4)
    block = np.repeat(np.arange(40), 10)
    label = random.permutation(np.arange(40) % 2)[block]
    features = (random.normal(size=(40, 30))[block] + 0.01 * random.normal(size=(400, 30))).astype(np.float32)
    data = samples_of(features, label)
    learner = pixel_learner(slice(None), 30)
    spatial = cross_validate(data, grouped_folds(block, label, num_folds=5, seed=0, kind="blocks"), learner)
    loose = Folds(block=np.arange(400), fold=random.integers(0, 5, 400), num_folds=5, kind="samples")
    assert (cross_validate(data, loose, learner).answer == label).mean() > 0.95
    assert (spatial.answer == label).mean() < 0.75


def test_temperature_mends_overconfidence_and_is_fitted_on_other_folds():
    random = np.random.default_rng(5)
    logits = random.normal(size=(4000, 3)) * 2
    label = np.array([random.choice(3, p=p) for p in np.exp(logits) / np.exp(logits).sum(1, keepdims=True)])
    views = single_views(np.zeros((4000, 1), np.float32))
    found = blended_temperature(logits * 3, views, label, np.ones(4000, bool))
    assert found == pytest.approx(3, rel=0.08)
    before, after = (calibration(blend(logits * 3, views, t), label) for t in (1.0, found))
    assert before.ece > 0.1
    assert after.ece < 0.03
    assert after.brier < before.brier


def test_a_blend_equals_the_slow_mean_over_windows():
    random = np.random.default_rng(6)
    sample = np.array([0, 1, 1, 2, 2, 2])
    weight = np.array([1, 0.25, 0.75, 0.2, 0.3, 0.5])
    views = Views(features=np.zeros((6, 1), np.float32), sample=sample, weight=weight, num_samples=3)
    logits = random.normal(size=(6, 4))
    slow = np.zeros((3, 4))
    for k in range(6):
        slow[sample[k]] += weight[k] * np.exp(logits[k] / 1.7) / np.exp(logits[k] / 1.7).sum()
    np.testing.assert_allclose(blend(logits, views, 1.7), slow, rtol=1e-12)
    assert views.first().tolist() == [0, 2, 5]


def test_every_method_is_measured_on_the_same_folds():
    features, label = clouds(7, spread=2.5)
    folds = grouped_folds(np.arange(300) // 10, label, num_folds=3, seed=0, kind="blocks")
    learners = {HEAD: pixel_learner(slice(None), 5), **simple_learners(0)}
    design = evaluate(samples_of(features, label), folds, learners, ("a", "b", "c"), name="folds")
    assert set(design.scores) == {HEAD, FOREST, MAJORITY}
    assert all(score.confusion.sum() == 300 for score in design.scores.values())
    assert design.scores[HEAD].overall.value > design.scores[MAJORITY].overall.low + 0.2
    told = design.to_dict(("a", "b", "c"))
    assert told["methods"][HEAD]["classes"]["b"]["users_accuracy"]["value"] == design.scores[HEAD].users[1].value
    head, other = (design.scores[name].overall.value for name in (HEAD, FOREST))
    assert design.less_forest["overall"].value == pytest.approx(head - other)


def test_majority_answers_the_commonest_class_of_the_other_folds():
    label = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    folds = Folds(block=np.arange(8), fold=np.array([0] * 4 + [1] * 4), num_folds=2, kind="samples")
    crossed = cross_validate(samples_of(np.zeros((8, 1), np.float32), label), folds, majority, calibrated=False)
    assert crossed.answer.tolist() == [1] * 4 + [0] * 4


def test_majority_needs_two_classes_in_each_fold():
    label = np.array([0] * 6 + [1] * 5)
    folds = Folds(block=np.arange(11), fold=np.array([0] * 6 + [1] * 5), num_folds=2, kind="samples")
    with pytest.raises(LabelError, match="fold 1 leaves 1"):
        cross_validate(samples_of(np.zeros((11, 1), np.float32), label), folds, majority)


def test_a_forest_takes_missing_values_and_absent_classes():
    features, label = clouds(8, classes=2)
    features[::3, 0] = np.nan
    scores = forest(0)(features, label, np.ones(300), 4)(features)
    assert scores.shape == (300, 4)
    assert (scores.argmax(1) == label).mean() > 0.9
    assert np.isfinite(scores).all()
    assert accuracy(label, scores.argmax(1), np.arange(300), 4).overall.value > 0.9
