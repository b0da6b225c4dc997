"""Names and image sizes of timm's architectures."""

import pytest

from liveness.models.architectures import check_image_size
from liveness.models.checkpoint import create
from liveness.runtime.errors import InputError


def test_a_misspelt_architecture_gets_suggestions() -> None:
    with pytest.raises(InputError, match=r"no architecture 'tf_eficientnet_lite0'; .*tf_efficientnet_lite0"):
        create("tf_eficientnet_lite0", 64)
    with pytest.raises(InputError, match=r"no architecture 'convnext_atto\.nonsense'; .*convnext_atto"):
        create("convnext_atto.nonsense", 64)
    with pytest.raises(InputError, match="similar names: none"):
        create("qqqqqqqq", 64)


@pytest.mark.parametrize(
    ("architecture", "usual"), [("nest_tiny", 224), ("xcit_nano_12_p16_224", 224), ("mvitv2_tiny", 224)]
)
def test_an_image_size_that_the_architecture_cannot_have(architecture: str, usual: int) -> None:
    """Some fail when they are created, others at their first image; mvitv2 not by shapes."""
    with pytest.raises(
        InputError, match=rf"{architecture} cannot take images of 100 x 100 pixels \(.+\); set .+ to {usual},"
    ):
        check_image_size(create(architecture, 100).module, architecture, 100)
