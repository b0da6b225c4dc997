"""Settings of `engine`: what models are compiled to, and what the parity gate lets pass."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Interval

from liveness.settings.constraints import Count, Natural, Pattern, PositiveShare, Share


@dataclass(frozen=True)
class TensorRt:
    """Options of TensorRT's builder."""

    optimization_level: Annotated[int, Interval(ge=0, le=5)] = 3
    """Effort of the builder: 0 builds fastest, 5 searches longest."""
    workspace_mib: Natural = 0
    """Device memory that an engine may use as workspace, in MiB; 0 sets no limit."""
    hardware_compatible: bool = False
    """Build for every data-centre GPU from Ampere on, at some cost in speed; tensorrt only."""
    version_compatible: bool = False
    """Build for later versions of the library too; needs a GPU."""


@dataclass(frozen=True)
class Torch:
    """Options of the torch back end."""

    compile: bool = False
    """Compile the network when it is opened (torch.compile; takes a minute and a C++ compiler)."""


@dataclass(frozen=True)
class Parity:
    """What an engine may change compared with its PyTorch model."""

    frames: Count = 64
    """Real frames on which an engine is compared with its PyTorch model."""
    max_difference: PositiveShare = 0.01
    """Largest difference in probability that an engine may show."""
    max_difference_int8: PositiveShare = 0.03
    """The same for int8."""
    threshold: Share = 0.5
    """Score at which decisions are made: none of them may change."""
    max_eer_change: Share = 0.005
    """Largest change of the EER, judged where frames gives 1,000 labelled frames or more."""


@dataclass(frozen=True)
class Engine:
    """What models are compiled to."""

    backend: Literal["openvino", "tensorrt", "tensorrt_rtx", "torch"] = "openvino"
    """openvino (CPU), tensorrt (data-centre GPUs), tensorrt_rtx (RTX GPUs) or torch (slow
    reference)."""
    precision: Literal["auto", "fp32", "mixed", "bf16", "fp16", "int8"] = "auto"
    """auto (the fastest that passes the parity gate: half, mixed, float32), or one of fp32, mixed
    (float32 where it is needed), bf16, fp16 and int8 (openvino, with the extra int8 installed)."""
    target: Annotated[str, Pattern("^[A-Za-z0-9._-]*$")] = ""
    """Kind of GPU, for example a100. It becomes part of the folder's name, so that engines for
    several kinds lie side by side."""
    max_batch: Count = 32
    """Largest batch that an engine takes."""
    tensorrt: TensorRt = field(default_factory=TensorRt)
    """Options of TensorRT's builder."""
    torch: Torch = field(default_factory=Torch)
    """Options of the torch back end."""
    parity: Parity = field(default_factory=Parity)
    """What an engine may change compared with its PyTorch model."""
