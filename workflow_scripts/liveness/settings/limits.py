"""Settings of `limits`: what one video may cost."""

from dataclasses import dataclass

from liveness.settings.constraints import Natural, Positive


@dataclass(frozen=True)
class Limits:
    """What one video may cost; a video beyond it counts as unreadable, with the reason."""

    seconds: Positive = 600
    """Time allowed for probing a video or decoding its frames, including any download from S3."""
    memory_mb: Natural = 2048
    """Memory that a decoding process may have, in MB; 0 sets no limit. The total is this times the
    number of threads. Decoding on a GPU has no such limit."""


DEFAULT_LIMITS = Limits()
