"""Model soups: networks whose weights are averaged (Wortsman et al. 2022, Model soups).

Members must share one architecture and be fine-tuned from the same weights: epochs, seeds or
recipes of one fold. A soup across folds has no honest held-out score, because some member was
trained on every video; evaluate such a soup on a fold that none of its members saw.
"""

from collections.abc import Callable, Mapping, Sequence

import torch

from liveness.runtime.errors import InputError

State = Mapping[str, torch.Tensor]


def uniform_soup(members: Sequence[State]) -> dict[str, torch.Tensor]:
    """Average every floating-point tensor, to the precision of its dtype.

    Sums are in float64, so that neither the order nor the number of members biases the mean.
    Integer tensors (batch-norm counters) are taken from the first member. Running statistics of
    batch norm are averaged too, which only approximates their values on data. Raises InputError if
    the members' tensors differ in name or shape.
    """
    first = members[0]
    for number, member in enumerate(members):
        if {name: t.shape for name, t in member.items()} != {name: t.shape for name, t in first.items()}:
            raise InputError(f"member {number} of the soup has a different architecture from member 0.")
    return {name: _mean([member[name] for member in members]) for name in first}


def greedy_soup(
    members: Sequence[State], judge: Callable[[State], float]
) -> tuple[dict[str, torch.Tensor], list[int]]:
    """Add members, best first, as long as the soup does not get worse (recipe 1 of the paper).

    `judge` returns the score of a state on the selection folds; higher is better. Returns the soup
    and the numbers of its members. The soup starts from the best member, so it never scores below
    it.
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
