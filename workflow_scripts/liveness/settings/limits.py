"""Settings of `limits`: what one video may cost."""

from dataclasses import dataclass

from liveness.settings.constraints import Natural, Positive


@dataclass(frozen=True)
class Limits:
    """What one video may cost; a video beyond it counts as unreadable, with the reason."""

    seconds: Positive = 600
    """Time until a video is probed, or its frames are decoded, a download from S3 included."""
    memory_mb: Natural = 2048
    """Memory that a decoding process may have, in MB; 0 sets no limit. All of them together may
    have as many times more as there are threads. Decoding on a GPU has no such limit."""


DEFAULT_LIMITS = Limits()
