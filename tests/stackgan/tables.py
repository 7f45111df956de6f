"""The four published layer tables in figures: layer, index, shape of one sample, parameters.

They stand in the README of StackGAN_PyTorch in pclubiitk's model zoo.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """One table: what the network is given, its rows, and the lines below them."""

    shapes: tuple[tuple[int, ...], ...]  # of the inputs, without the batch
    rows: tuple[tuple[str, str, str, str], ...]  # layer, index, shape, parameters
    params: int
    mult_adds: str  # as printed, in billions (G) or millions (M)
    megabytes: tuple[str, str, str, str]  # input, forward and backward, parameters, total


def rows(text: str) -> tuple[tuple[str, str, str, str], ...]:
    """A row a line; ``-`` for no parameters."""
    return tuple(tuple(line.split()) for line in text.split("\n") if line.strip())  # type: ignore[misc]


STAGE_ONE = Table(
    shapes=((1024,), (100,)),
    rows=rows("""
        CA                   1-1   128          -
        Linear               2-1   256          262,400
        ReLU                 2-2   256          -
        Linear               1-2   29184        6,683,136
        BatchNorm1d          1-3   29184        58,368
        ReLU                 1-4   29184        -
        UpsamplingNearest2d  1-5   1824x8x8     -
        Conv2d               1-6   912x8x8      14,972,304
        BatchNorm2d          1-7   912x8x8      1,824
        ReLU                 1-8   912x8x8      -
        UpsamplingNearest2d  1-9   912x16x16    -
        Conv2d               1-10  456x16x16    3,743,304
        BatchNorm2d          1-11  456x16x16    912
        ReLU                 1-12  456x16x16    -
        UpsamplingNearest2d  1-13  456x32x32    -
        Conv2d               1-14  228x32x32    935,940
        BatchNorm2d          1-15  228x32x32    456
        ReLU                 1-16  228x32x32    -
        UpsamplingNearest2d  1-17  228x64x64    -
        Conv2d               1-18  3x64x64      6,159
        BatchNorm2d          1-19  3x64x64      6
        Tanh                 1-20  3x64x64      -
    """),
    params=26_664_809,
    mult_adds="2.91G",
    megabytes=("0.25", "6.87", "101.72", "108.84"),
)

DISCRIMINATOR_ONE = Table(
    shapes=((3, 64, 64), (1024,)),
    rows=rows("""
        Conv2d       1-1   64x32x32   3,136
        LeakyReLU    1-2   64x32x32   -
        Conv2d       1-3   128x16x16  131,200
        BatchNorm2d  1-4   128x16x16  256
        LeakyReLU    1-5   128x16x16  -
        Conv2d       1-6   256x8x8    524,544
        BatchNorm2d  1-7   256x8x8    512
        LeakyReLU    1-8   256x8x8    -
        Conv2d       1-9   512x4x4    2,097,664
        BatchNorm2d  1-10  512x4x4    1,024
        LeakyReLU    1-11  512x4x4    -
        EmbedComp    1-12  128x4x4    -
        Linear       2-1   128        131,200
        Conv2d       1-13  512x4x4    328,192
        BatchNorm2d  1-14  512x4x4    1,024
        LeakyReLU    1-15  512x4x4    -
        Conv2d       1-16  1x1x1      8,193
        Sigmoid      1-17  1x1x1      -
    """),
    params=3_226_945,
    mult_adds="109.32M",
    megabytes=("3.00", "1.50", "12.31", "16.81"),
)

STAGE_TWO = Table(
    shapes=((1024,), (3, 64, 64)),
    rows=rows("""
        CA                   1-1   128          -
        Linear               2-1   256          262,400
        ReLU                 2-2   256          -
        Conv2d               1-2   128x32x32    6,272
        BatchNorm2d          1-3   128x32x32    256
        LeakyReLU            1-4   128x32x32    -
        Conv2d               1-5   512x16x16    1,049,088
        BatchNorm2d          1-6   512x16x16    1,024
        LeakyReLU            1-7   512x16x16    -
        ResBlock             1-8   640x16x16    -
        Conv2d               2-3   640x16x16    3,687,040
        BatchNorm2d          2-4   640x16x16    1,280
        ReLU                 2-5   640x16x16    -
        Conv2d               2-6   640x16x16    3,687,040
        BatchNorm2d          2-7   640x16x16    1,280
        ReLU                 2-8   640x16x16    -
        ResBlock             1-9   640x16x16    -
        Conv2d               2-9   640x16x16    3,687,040
        BatchNorm2d          2-10  640x16x16    1,280
        ReLU                 2-11  640x16x16    -
        Conv2d               2-12  640x16x16    3,687,040
        BatchNorm2d          2-13  640x16x16    1,280
        ReLU                 2-14  640x16x16    -
        UpsamplingNearest2d  1-10  640x32x32    -
        Conv2d               1-11  320x32x32    1,843,520
        BatchNorm2d          1-12  320x32x32    640
        ReLU                 1-13  320x32x32    -
        UpsamplingNearest2d  1-14  320x64x64    -
        Conv2d               1-15  160x64x64    460,960
        BatchNorm2d          1-16  160x64x64    320
        ReLU                 1-17  160x64x64    -
        UpsamplingNearest2d  1-18  160x128x128  -
        Conv2d               1-19  80x128x128   115,280
        BatchNorm2d          1-20  80x128x128   160
        ReLU                 1-21  80x128x128   -
        UpsamplingNearest2d  1-22  80x256x256   -
        Conv2d               1-23  3x256x256    2,163
        BatchNorm2d          1-24  3x256x256    6
        Tanh                 1-25  3x256x256    -
    """),
    params=18_495_369,
    mult_adds="9.87G",
    megabytes=("0.25", "52.00", "70.55", "122.81"),
)

DISCRIMINATOR_TWO = Table(
    shapes=((3, 256, 256), (1024,)),
    rows=rows("""
        Conv2d       1-1   16x128x128  784
        LeakyReLU    1-2   16x128x128  -
        Conv2d       1-3   32x64x64    8,224
        BatchNorm2d  1-4   32x64x64    64
        LeakyReLU    1-5   32x64x64    -
        Conv2d       1-6   64x32x32    32,832
        BatchNorm2d  1-7   64x32x32    128
        LeakyReLU    1-8   64x32x32    -
        Conv2d       1-9   128x16x16   131,200
        BatchNorm2d  1-10  128x16x16   256
        LeakyReLU    1-11  128x16x16   -
        Conv2d       1-12  256x8x8     524,544
        BatchNorm2d  1-13  256x8x8     512
        LeakyReLU    1-14  256x8x8     -
        Conv2d       1-15  512x4x4     2,097,664
        BatchNorm2d  1-16  512x4x4     1,024
        LeakyReLU    1-17  512x4x4     -
        EmbedComp    1-18  128x4x4     -
        Linear       2-1   128         131,200
        Conv2d       1-19  512x4x4     328,192
        BatchNorm2d  1-20  512x4x4     1,024
        LeakyReLU    1-21  512x4x4     -
        Conv2d       1-22  1x1x1       8,193
        Sigmoid      1-23  1x1x1       -
    """),
    params=3_265_841,
    mult_adds="185.87M",
    megabytes=("48.00", "6.00", "12.46", "66.46"),
)
