"""A model from tensors of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringmoe_core.model import RingMoE
from ringmoe_core.moe import MixtureLayer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ringmoe_core.config import RingMoEConfig


def assemble(config: RingMoEConfig, tensors: Mapping[str, Tensor], *, training: bool) -> RingMoE:
    """A model of a configuration with the given tensors, copied; tensors that it has no place for are left out.

    Args:
        config: of the new model, built without storage.
        tensors: by parameter or buffer name; every name that the new model has must be there, in its shape.
        training: mode of the new model.
    """
    model = RingMoE(config, seed=None)
    wanted = model.state_dict()
    missing = sorted(set(wanted) - set(tensors))
    wrong = sorted(name for name in set(wanted) - set(missing) if wanted[name].shape != tensors[name].shape)
    assert not missing, f"tensors that the smaller model needs: {missing}"
    assert not wrong, f"tensors whose shape does not fit the smaller model: {wrong}"
    model.load_state_dict({name: tensors[name].detach().clone() for name in wanted}, assign=True)
    return model.requires_grad_().train(training)


def mixture_layers(model: RingMoE) -> dict[str, MixtureLayer]:
    """The mixture-of-experts layers by their name in the model, in the order in which tokens pass them."""
    return {name: module for name, module in model.named_modules() if isinstance(module, MixtureLayer)}
