"""Model soups: averaged weights."""

from fractions import Fraction
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from liveness.models.model_soup import greedy_soup, uniform_soup
from liveness.runtime.errors import InputError


def networks(count: int) -> list[dict[str, torch.Tensor]]:
    """Create the states of a small network with batch norm, each from a different seed."""
    states = []
    for seed in range(count):
        torch.manual_seed(seed)
        network = timm.create_model("resnet10t", num_classes=1)
        states.append({name: t.clone() for name, t in network.state_dict().items()})
    return states


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_a_soup_is_the_arithmetic_mean_to_float_precision(values: list[float], random) -> None:
    exact = float(sum(map(Fraction, values)) / len(values))
    for order in (values, random.sample(values, len(values))):
        soup = uniform_soup([{"w": torch.tensor([value])} for value in order])
        assert soup["w"].item() == torch.tensor(exact).item()


def test_the_last_member_weighs_no_more_than_the_first() -> None:
    """A running mean of means, (((a + b) / 2) + c) / 2, would give it half of the weight."""
    members = [{"w": torch.tensor(value)} for value in (0.0, 0.0, 3.0)]
    assert uniform_soup(members)["w"] == uniform_soup(members[::-1])["w"] == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_networks_soup_loads_and_keeps_types(dtype: torch.dtype, tmp_path: Path) -> None:
    members = [{n: t.to(dtype) if t.is_floating_point() else t for n, t in m.items()} for m in networks(3)]
    paths = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for path, member in zip(paths, members, strict=True):
        save_file(member, path)
    soup = uniform_soup([load_file(path) for path in paths])
    assert {name: t.dtype for name, t in soup.items()} == {name: t.dtype for name, t in members[0].items()}
    timm.create_model("resnet10t", num_classes=1).load_state_dict(soup)
    for name, tensor in soup.items():
        if tensor.is_floating_point():
            mean = sum(member[name].double() for member in members) / 3
            torch.testing.assert_close(tensor, mean.to(dtype), rtol=0, atol=0)


def test_a_soup_of_one_is_that_one() -> None:
    (member,) = networks(1)
    soup = uniform_soup([member])
    assert all(torch.equal(soup[name], tensor) for name, tensor in member.items())


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=8))
def test_a_greedy_soup_is_never_below_its_best_member(points: list[tuple[float, float]]) -> None:
    """The states are points in a plane; the best possible one is (1, 1)."""

    def judge(state) -> float:
        return -float(((state["w"] - 1) ** 2).sum())

    members = [{"w": torch.tensor(point, dtype=torch.float64)} for point in points]
    soup, chosen = greedy_soup(members, judge)
    assert judge(soup) >= max(map(judge, members))
    torch.testing.assert_close(soup, uniform_soup([members[number] for number in chosen]))


def test_a_greedy_soup_leaves_out_what_harms() -> None:
    members = [{"w": torch.tensor([value])} for value in (0.5, 1.5, 9.0)]
    soup, chosen = greedy_soup(members, lambda state: -abs(float(state["w"]) - 1))
    assert sorted(chosen) == [0, 1]
    assert soup["w"] == 1


def test_members_of_another_architecture_are_refused() -> None:
    for other in ({"v": torch.zeros(2)}, {"w": torch.zeros(3)}):
        with pytest.raises(InputError, match="member 1 of the soup has a different architecture"):
            uniform_soup([{"w": torch.zeros(2)}, other])
