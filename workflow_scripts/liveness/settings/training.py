"""Settings of `training`, and of the random views of `training.augmentation`."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge

from liveness.settings.constraints import (
    Count,
    Natural,
    NonNegative,
    Pattern,
    Positive,
    PositiveShare,
    PositiveSpan,
    Rate,
    Share,
)

# names of timm's policies, with options such as m9 and mstd0.5
POLICY = "^((rand|augmix|original|originalr|v0|v0r|3a)(-[a-z]+[0-9]*(\\.[0-9]+)?)*)?$"


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training view: probabilities and ranges."""

    crop_scale: PositiveSpan = field(default_factory=lambda: [0.7, 1.0])
    """Fraction of the frame's area that a random crop keeps."""
    hflip: Share = 0.5
    """Probability of a horizontal flip."""
    vflip: Share = 0.0
    """Probability of a vertical flip."""
    color_jitter: Share = 0.2
    """Strength of random changes of brightness, contrast and saturation; unused with
    auto_augment."""
    auto_augment: Annotated[str, Pattern(POLICY)] = ""
    """timm's policy string, for example rand-m9-mstd0.5; empty switches it off."""
    erasing: Share = 0.0
    """Probability of erasing a random rectangle."""
    recapture: Share = 0.0
    """Probability that a live frame becomes a simulated replay or print, and its label spoof."""
    degrade: Share = 0.0
    """Probability that a frame of either class is degraded, once or twice: zoom, recolouring, blur,
    a quarter to half the size, JPEG."""


@dataclass(frozen=True)
class Training:
    """How a model is fine-tuned."""

    epochs: Count = 12
    """Passes over the training frames."""
    warmup_epochs: NonNegative = 1
    """Epochs over which the learning rate rises to lr; must be less than epochs."""
    batch_size: Count = 32
    """Frames per optimiser step, over all GPUs together."""
    lr: Positive | Literal["auto"] = 0.0003
    """Peak learning rate of AdamW; auto finds one for each model."""
    min_lr: NonNegative = 0.000001
    """Learning rate at the end of the cosine."""
    weight_decay: NonNegative = 0.05
    """Weight decay of AdamW (not applied to norms and biases)."""
    label_smoothing: Rate = 0.1
    """Label smoothing of the cross entropy."""
    ema_decay: Rate = 0.99
    """Decay of the exponential moving average of the weights, which is what is evaluated and saved;
    0 switches it off."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto is bf16 where the machine has it. A CPU gains nothing from bf16 in depthwise
    convolutions."""
    loss: Literal["cross_entropy", "bce", "focal"] = "cross_entropy"
    """cross_entropy, bce (one binary question per class) or focal (weighs hard frames more)."""
    focal_gamma: NonNegative = 2.0
    """Exponent of the focal loss; larger weighs hard frames more."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced gives both classes the same weight, whatever their numbers."""
    mixup: NonNegative = 0.0
    """Mixes pairs of frames and their labels: parameter of the beta distribution; 0 switches it
    off."""
    cutmix: NonNegative = 0.0
    """The same, by pasting a rectangle."""
    layer_decay: PositiveShare = 1.0
    """Learning rate of a layer as a fraction of that of the layer above."""
    clip_grad: NonNegative = 0.0
    """Largest norm of the gradients; 0 sets no limit."""
    freeze_epochs: Natural = 0
    """Epochs in which only the new head is trained."""
    patience: Natural = 0
    """Epochs without a better validation loss after which training stops; 0 trains them all."""
    soup: Literal["none", "uniform", "greedy"] = "none"
    """What is kept: the best epoch (none), the mean of the weights of the best epochs (uniform), or
    of those that improve it on the validation videos (greedy). One engine in each case."""
    soup_epochs: Annotated[int, Ge(2)] = 3
    """Number of best epochs that a soup is made of."""
    device_batch_size: Natural = 0
    """Frames that a GPU takes at once; a larger batch is cut into several, and 0 sets no limit.
    Affects memory only; results change only with batch norm."""
    gradient_checkpointing: bool = False
    """Recompute activations instead of keeping them: less memory, a third slower."""
    compile: bool = False
    """Use torch.compile: faster on GPUs after a minute; needs a C++ compiler."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Random changes of training views."""
