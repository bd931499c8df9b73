from __future__ import annotations

import numpy as np
import pytest
import torch

from ringmoe_core.few_shot import EpisodeSpec, evaluate_dense_episodes, masked_means, pixel_rows


def fields(num=10, size=12, noise=0.3, seed=0):
    """Maps whose features say the class of their pixel, more or less; half of each map is unlabelled."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.randint(0, 5, (num, size // 3, size // 3), generator=generator)
    mask = mask.repeat_interleave(3, 1).repeat_interleave(3, 2)
    centres = torch.nn.functional.normalize(torch.randn(5, 8, generator=generator), dim=1)
    maps = centres[mask].permute(0, 3, 1, 2) + noise * torch.randn(num, 8, size, size, generator=generator)
    mask[:, :, : size // 4] = 255
    return maps, mask


def test_masked_means_equal_a_slow_loop():
    maps, mask = fields()
    mask[mask == 3] = 255
    means, seen = masked_means(maps, mask, 5)
    assert seen.tolist() == [True, True, True, False, True]
    for label in (0, 1, 2, 4):
        own = [
            maps[index][:, mask[index] == label].mean(1) for index in range(len(maps)) if (mask[index] == label).any()
        ]
        torch.testing.assert_close(means[label], torch.stack(own).mean(0))
    assert torch.isnan(means[3]).all()


def test_pixel_rows_are_of_their_class_and_without_repeats():
    maps, mask = fields()
    maps[:, 0] = torch.arange(maps[:, 0].numel()).reshape(maps[:, 0].shape).float()  # which pixel it is
    vectors, labels = pixel_rows(maps, mask, 5, most_per_class=30, seed=2)
    assert torch.equal(mask.flatten()[vectors[:, 0].long()], labels)
    assert len(vectors[:, 0].unique()) == len(vectors)
    assert labels.bincount().tolist() == [30] * 5
    assert torch.equal(vectors, pixel_rows(maps, mask, 5, most_per_class=30, seed=2)[0])


@pytest.mark.parametrize("classifier", ["prototype", "linear"])
def test_dense_episodes_find_planted_classes_and_lose_them_in_noise(classifier):
    spec = EpisodeSpec(num_ways=2, num_shots=2, num_queries=2)
    clear = evaluate_dense_episodes(*fields(noise=0.05), spec, num_episodes=6, classifier=classifier)
    drowned = evaluate_dense_episodes(*fields(noise=20.0), spec, num_episodes=6, classifier=classifier)
    # the rest is three classes in one, which a single mean describes less well than a linear layer
    assert clear.mean > (0.95 if classifier == "linear" else 0.65)
    assert drowned.mean < 0.3
    again = evaluate_dense_episodes(*fields(noise=0.05), spec, num_episodes=3, classifier=classifier)
    np.testing.assert_array_equal(again.values, clear.values[:3])


def test_dense_episodes_that_cannot_be_drawn():
    maps, mask = fields()
    with pytest.raises(ValueError, match="maps a class"):
        evaluate_dense_episodes(maps, mask, EpisodeSpec(num_ways=6), num_episodes=1)
    with pytest.raises(ValueError, match="classifier"):
        evaluate_dense_episodes(maps, mask, EpisodeSpec(num_ways=2), classifier="tree")
    with pytest.raises(ValueError, match="cut them alike"):
        masked_means(maps, mask[:, 1:], 5)
    with pytest.raises(ValueError, match="0 to 2"):
        masked_means(maps, mask, 3)
    everywhere = torch.full_like(mask, 255)
    with pytest.raises(ValueError, match="maps a class"):
        evaluate_dense_episodes(maps, everywhere, EpisodeSpec(num_ways=2), num_episodes=1)
