"""Names and image sizes of timm's architectures."""

import pytest

from liveness.models.checkpoint import create
from liveness.runtime.errors import InputError


def test_a_misspelt_architecture_gets_suggestions() -> None:
    with pytest.raises(InputError, match=r"no architecture 'tf_eficientnet_lite0'; .*tf_efficientnet_lite0"):
        create("tf_eficientnet_lite0", 64)
    with pytest.raises(InputError, match=r"no architecture 'convnext_atto\.nonsense'; .*convnext_atto"):
        create("convnext_atto.nonsense", 64)
    with pytest.raises(InputError, match="similar names: none"):
        create("qqqqqqqq", 64)
