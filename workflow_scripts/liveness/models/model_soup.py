"""Model soups: one network whose weights are the mean of several (Wortsman et al. 2022, Model soups).

For members of one architecture that were fine-tuned from the same weights: epochs, seeds or recipes of one
fold. A soup of several folds has no honest held-out score, since every video trained some member; judge such
a soup on a fold that none of its members saw.
"""

from collections.abc import Callable, Mapping, Sequence

import torch

from liveness.runtime.errors import InputError

State = Mapping[str, torch.Tensor]


def uniform_soup(members: Sequence[State]) -> dict[str, torch.Tensor]:
    """The arithmetic mean of every floating-point tensor, to the precision of its type.

    Sums are in float64, so that neither the order nor the number of members biases the mean. Integers
    (counters of batch norm) are the first member's; running statistics of batch norm are averaged too, which
    is only nearly what they would be on data. Raises InputError where the members' tensors differ in name or
    shape.
    """
    first = members[0]
    for number, member in enumerate(members):
        if {name: t.shape for name, t in member.items()} != {name: t.shape for name, t in first.items()}:
            raise InputError(f"member {number} of the soup is of another architecture than the first one.")
    return {name: _mean([member[name] for member in members]) for name in first}


def greedy_soup(
    members: Sequence[State], judge: Callable[[State], float]
) -> tuple[dict[str, torch.Tensor], list[int]]:
    """Add members, the best first, where the soup gets no worse (recipe 1 of the paper).

    `judge` returns what a state scores on the selection folds, higher being better. Returns the soup and the
    numbers of its members; it never scores below the best of them all, since it starts there.
    """
    scores = [judge(member) for member in members]
    best_first = sorted(range(len(members)), key=lambda number: -scores[number])
    chosen = best_first[:1]
    soup, score = uniform_soup([members[chosen[0]]]), scores[chosen[0]]
    for number in best_first[1:]:
        candidate = uniform_soup([members[i] for i in [*chosen, number]])
        candidate_score = judge(candidate)
        if candidate_score >= score:
            soup, score, chosen = candidate, candidate_score, [*chosen, number]
    return soup, chosen


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0]
    return torch.stack([tensor.double() for tensor in tensors]).mean(dim=0).to(tensors[0].dtype)
