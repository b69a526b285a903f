"""RepViT-M1 (Wang et al., CVPR 2024, arXiv:2307.09283), EdgeTAM's image encoder, under the names of timm's network.

timm needs torchvision, which this does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

WIDTHS = (48, 96, 192, 384)
DEPTHS = (2, 2, 14, 2)


class ConvNorm(nn.Sequential):
    """Convolution without bias, and batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.add_module("c", nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(outputs))


class TokenMixer(nn.Module):
    """Depthwise: a convolution of 3 x 3, one of 1 x 1 and the input, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ConvNorm(width, width, 3, groups=width)
        self.conv1 = ConvNorm(width, width, 1, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """n x c x h x w -> the same shape."""
        found: Tensor = self.conv(x) + self.conv1(x) + x
        return found


class ChannelMixer(nn.Module):
    """Two convolutions of 1 x 1, twice as wide between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, 2 * width)
        self.act = nn.GELU()
        self.conv2 = ConvNorm(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """n x c x h x w -> the same shape."""
        found: Tensor = self.conv2(self.act(self.conv1(x)))
        return found


class SqueezeExcite(nn.Module):
    """Scales channels by what their means say; a quarter as wide between, rounded to eights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(8, int(width / 4 + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(width, inner, 1)
        self.act = nn.ReLU()
        self.fc2 = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """n x c x h x w -> the same shape."""
        found: Tensor = x * self.fc2(self.act(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()
        return found


class Block(nn.Module):
    """Token mixer, squeeze and excitation in every other block, channel mixer."""

    def __init__(self, width: int, excite: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(width)
        self.se = SqueezeExcite(width) if excite else nn.Identity()
        self.channel_mixer = ChannelMixer(width)

    def forward(self, x: Tensor) -> Tensor:
        """n x c x h x w -> the same shape."""
        x = self.se(self.token_mixer(x))
        found: Tensor = x + self.channel_mixer(x)
        return found


class Downsample(nn.Module):
    """Half the size, twice the channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pre_block = Block(inputs, False)
        self.spatial_downsample = ConvNorm(inputs, inputs, 3, 2, groups=inputs)
        self.channel_downsample = ConvNorm(inputs, outputs)
        self.ffn = ChannelMixer(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """n x c x h x w -> n x 2c x h/2 x w/2."""
        x = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        found: Tensor = x + self.ffn(x)
        return found


class Stem(nn.Module):
    """An image at a quarter of its size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, width // 2, 3, 2)
        self.act1 = nn.GELU()
        self.conv2 = ConvNorm(width // 2, width, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """n x 3 x H x W -> n x c x H/4 x W/4."""
        found: Tensor = self.conv2(self.act1(self.conv1(x)))
        return found


class Stage(nn.Module):
    """Blocks of one size."""

    def __init__(self, inputs: int, width: int, depth: int, downsample: bool) -> None:
        super().__init__()
        self.downsample = Downsample(inputs, width) if downsample else nn.Identity()
        self.blocks = nn.Sequential(*(Block(width, i % 2 == 0) for i in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """n x c x h x w -> n x c' x h' x w'."""
        found: Tensor = self.blocks(self.downsample(x))
        return found


class Trunk(nn.Module):
    """Stem and four stages."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem(WIDTHS[0])
        for i, (inputs, width, depth) in enumerate(zip((WIDTHS[0], *WIDTHS), WIDTHS, DEPTHS)):
            self.add_module(f"stages_{i}", Stage(inputs, width, depth, downsample=i > 0))

    def forward(self, x: Tensor) -> list[Tensor]:
        """n x 3 x H x W -> the maps of the stages, at 1/4, 1/8, 1/16 and 1/32, n x c x h x w each."""
        x = self.stem(x)
        found = []
        for i in range(len(WIDTHS)):
            x = self.get_submodule(f"stages_{i}")(x)
            found.append(x)
        return found


@dataclass
class Maps:
    """What the vision model of transformers reads of an image encoder."""

    intermediate_hidden_states: list[Tensor]
    """n x h x w x c each, channels last."""
    last_hidden_state: Tensor
    hidden_states: Any = None
    attentions: Any = None


class RepViT(nn.Module):
    """The trunk in the place of the library's wrapper around timm, whose names it has."""

    def __init__(self) -> None:
        super().__init__()
        self.timm_model = Trunk()

    def forward(self, pixel_values: Tensor, **settings: Any) -> Maps:
        """Maps of an image n x 3 x H x W."""
        maps = [each.permute(0, 2, 3, 1) for each in self.timm_model(pixel_values)]
        return Maps(maps, maps[-1])
