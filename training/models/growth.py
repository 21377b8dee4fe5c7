"""Starts a wider network from a narrower, trained one: the same function, more capacity (Net2Net, arXiv 1511.05641).

Every channel becomes `factor` neighbouring copies, and each layer that reads them shares its old weight among the
copies by shares that add up to one. The wider network therefore gives the same output as the narrower one; unequal
shares give the copies different gradients, so that they part as training goes on.

>>> wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))                       # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

#: Shares are drawn from a Dirichlet distribution of this concentration: unequal, seldom close to 0 or 1.
_CONCENTRATION = 4.0


def width_factor(
    narrow: Mapping[str, Tensor], wide: Mapping[str, Tensor], row_per_class: Collection[str] = ()
) -> int | None:
    """The whole number >= 2 by which `wide` has more channels than `narrow`; None if it is no such widening.

    Tensors are compared by name; layers at the ends (images in, boxes and scores out) may keep their channels.
    row_per_class: tensors with one row a class, which may have learned any number of classes.
    """
    factors: set[int] = set()
    for name, tensor in wide.items():
        if name not in narrow or narrow[name].ndim != tensor.ndim:
            return None
        pairs = list(zip(tensor.shape, narrow[name].shape, strict=True))[int(name in row_per_class) :]
        factors |= {large // small if large % small == 0 else 0 for large, small in pairs if large != small}
    factor = max(factors, default=0)
    return factor if factors == {factor} and factor >= 2 else None


def widened(
    narrow: Mapping[str, Tensor], wide: Mapping[str, Tensor], row_per_class: Collection[str] = (), seed: int = 0
) -> dict[str, Tensor]:
    """The tensors of `narrow` in the shapes of `wide`, giving the same function; those in `row_per_class` keep their
    rows, be they as many as `wide` has or not.

    Neighbouring copies keep concatenations in order, so this holds for any network of convolutions, norms,
    concatenations and sums. Raises ValueError when `wide` is no widening of `narrow` (see width_factor).
    """
    factor = width_factor(narrow, wide, row_per_class)
    if factor is None:
        raise ValueError("not the same network at a whole multiple of its width")
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: tuple(tensor.shape) for name, tensor in wide.items()}
    shapes |= {name: (len(narrow[name]), *shapes[name][1:]) for name in row_per_class if name in shapes}
    return {name: _widen(narrow[name], shape, factor, generator) for name, shape in shapes.items()}


def with_more_inputs(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], name: str, phases: int
) -> dict[str, Tensor]:
    """`state` with the kernels `name`, which read `phases` pictures one after the other, extended by zeros for the
    channels that each picture of `own` has at its end beyond those of `state`: the same function, and these can learn.
    """
    if name not in state or name not in own or state[name].ndim != own[name].ndim:
        return dict(state)
    (outputs, had), has, kernel = state[name].shape[:2], own[name].shape[1], state[name].shape[2:]
    more = (has - had) // phases
    if more <= 0 or had % phases or has % phases:
        return dict(state)
    pictures = state[name].reshape(outputs, phases, had // phases, *kernel)
    fresh = pictures.new_zeros(outputs, phases, more, *kernel)
    return {**state, name: torch.cat((pictures, fresh), dim=2).reshape(outputs, has, *kernel)}


def _widen(tensor: Tensor, shape: tuple[int, ...], factor: int, generator: torch.Generator) -> Tensor:
    if tuple(tensor.shape) == shape:
        return tensor.clone()
    if shape[0] != tensor.shape[0]:
        tensor = tensor.repeat_interleave(factor, dim=0)
    if tensor.ndim > 1 and shape[1] != tensor.shape[1]:
        shares = _shares(tensor.shape[:2], factor, generator).to(tensor.dtype)
        shares = shares.reshape(*shares.shape, *[1] * (tensor.ndim - 2))
        tensor = tensor.repeat_interleave(factor, dim=1) * shares
    return tensor


def _shares(shape: torch.Size, factor: int, generator: torch.Generator) -> Tensor:
    """(rows, columns * factor), each group of `factor` columns positive and of sum 1."""
    concentration = torch.full((*shape, factor), _CONCENTRATION, dtype=torch.float64)
    drawn = torch._standard_gamma(concentration, generator=generator)
    return (drawn / drawn.sum(-1, keepdim=True)).reshape(shape[0], -1)
