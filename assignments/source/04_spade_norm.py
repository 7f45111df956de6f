# %% [markdown]
# # Assignment 04: the norm that does not wash out the sky
#
# BADGE
#
# **The question.** A label map that says "sky" everywhere goes into a network; two layers later nothing is left of it.
# You will build the block that cured this, from the label ids to the modulated features, and draw the washing out.
#
# | part | what | points |
# |---|---|---|
# | 04.1 | a norm without parameters | 2 |
# | 04.2 | gamma and beta from a map | 3 |
# | 04.3 | the whole block, from ids | 4 |
# | 04.4 | an experiment with a figure, and an answer in words | 4 |
# | 04.5 | an open extension | for the joy of it |
#
# **You will be able to** say what exactly a batch norm takes away, and from whom; write SPADE as one equation and
# three convolutions; and resize a label map without inventing classes.
#
# **Time:** 90 to 120 minutes. **You need** chapter 04, sections 3 and 4. Hints unfold when you click on them;
# try first. Every `check` tries your function with fresh random inputs. Marks come from other tests, with other
# inputs; while these run, `course_lib` is not there: write with torch alone.

# %% tags=["colab-setup"]
# SETUP

# %%
import torch
import torch.nn.functional as F

from course_lib.grading import check

# %% [markdown]
# ## 04.1 A norm without parameters (2 points)
#
# $$\hat x_{n,c,y,x} = \frac{x_{n,c,y,x} - \mu_c}{\sqrt{\sigma_c^2 + \varepsilon}}$$
#
# with mean and variance of channel $c$ over *all* pictures and pixels, $\varepsilon = 10^{-5}$, and the variance that
# divides by the number of pixels (not by one less).
#
# <details><summary>Hint</summary>
#
# `x.mean(dim=(0, 2, 3), keepdim=True)`; `x.var(..., correction=0)`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a04-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def normalise(x):
    """[B, C, H, W], the same."""
    ### BEGIN SOLUTION
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    variance = x.var(dim=(0, 2, 3), keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(variance + 1e-5)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q04-1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("04.1", normalise)
### BEGIN HIDDEN TESTS
import torch
import torch.nn.functional as F

from course_lib.grading import hidden, parts, same
from course_lib.grading.checks.spade_norm import (
    layers, one_hot, right_modulation, right_norm, right_spade,
)  # fmt: skip


@hidden("04.1", normalise)
def norm_takes_the_whole_batch(function, draw):
    """mean and variance are those of all pictures together"""
    x = draw.normal(3, 2, 4, 5) + 5 * draw.normal(3, 1, 1, 1)
    same(function(x), right_norm(x), "the normalised x")


@hidden("04.1", normalise)
def norm_divides_by_the_number(function, draw):
    """the variance divides by the number of pixels: with few pixels one sees the difference"""
    x = draw.normal(1, 3, 2, 2)
    same(function(x), right_norm(x), "x of four pixels")


@hidden("04.1", normalise)
def norm_of_a_constant_is_zero(function, draw):
    """a channel that is the same everywhere becomes 0, and not NaN"""
    x = draw.normal(1, 3, 1, 1).expand(2, 3, 4, 4).contiguous()
    same(function(x), torch.zeros(2, 3, 4, 4), "a constant x", close=0.01)


### END HIDDEN TESTS

# %% [markdown]
# ## 04.2 Gamma and beta from a map (3 points)
#
# A first convolution and a ReLU make a hidden map of the label planes; a second one makes $\gamma$ of it, a third
# $\beta$, a number for *every channel at every pixel*. Each convolution is given as a pair `(weight, bias)`, with a
# kernel of any odd side, and pads so that the size stays. Return `gamma` and `beta`.
#
# <details><summary>Hint</summary>
#
# `F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)`, three times.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a04-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def modulation(planes, shared, to_gamma, to_beta):
    """[B, P, H, W] and three pairs (weight, bias) to gamma and beta, [B, C, H, W] each."""

    ### BEGIN SOLUTION
    def conv(x, layer):
        weight, bias = layer
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    hidden_map = conv(planes, shared).relu()
    return conv(hidden_map, to_gamma), conv(hidden_map, to_beta)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q04-2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("04.2", modulation)


### BEGIN HIDDEN TESTS
@hidden("04.2", modulation)
def modulation_equals_the_library(function, draw):
    """gamma and beta are the library's"""
    planes, convs = one_hot(draw, 2, 4, 5, 7), layers(draw, 4, 3)
    gamma, beta = parts(function(planes, *convs), 2, "gamma and beta")
    same(gamma, right_modulation(planes, *convs)[0], "gamma")
    same(beta, right_modulation(planes, *convs)[1], "beta")


@hidden("04.2", modulation)
def modulation_keeps_the_size(function, draw):
    """kernels of 1 and of 5 pixels keep the size as well"""
    for side in (1, 5):
        planes, convs = one_hot(draw, 2, 3, 6, 5), layers(draw, 3, 2, side)
        gamma, beta = parts(function(planes, *convs), 2, "gamma and beta")
        same(gamma, right_modulation(planes, *convs)[0], f"gamma with kernels of {side}")
        same(beta, right_modulation(planes, *convs)[1], f"beta with kernels of {side}")


### END HIDDEN TESTS

# %% [markdown]
# ## 04.3 The whole block, from ids (4 points)
#
# $$y = (1 + \gamma)\,\hat x + \beta$$
#
# The map comes as *ids*, `[B, H0, W0]`, in a size of its own. It is resized to the size of `x` by nearest neighbour, as
# `F.interpolate(..., mode="nearest")` does it, and becomes `classes` planes of zeros and ones; a class that does not
# occur has a plane, too.
#
# <details><summary>Hint 1: resizing ids</summary>
#
# A mean of "sky" (3) and "road" (7) is not "tree" (5). `F.interpolate` wants a channel and floating-point numbers:
# `ids[:, None].float()`, and back.
#
# </details>
#
# <details><summary>Hint 2: planes</summary>
#
# `F.one_hot(ids, classes)` puts the planes last; `permute(0, 3, 1, 2)` puts them where a convolution wants them.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a04-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def spade(x, ids, classes, shared, to_gamma, to_beta):
    """[B, C, H, W] and ids [B, H0, W0] to [B, C, H, W]."""
    ### BEGIN SOLUTION
    ids = F.interpolate(ids[:, None].float(), size=x.shape[-2:], mode="nearest")[:, 0].long()
    planes = F.one_hot(ids, classes).permute(0, 3, 1, 2).float()
    gamma, beta = modulation(planes, shared, to_gamma, to_beta)
    return (1 + gamma) * normalise(x) + beta
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q04-3", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("04.3", spade)


### BEGIN HIDDEN TESTS
@hidden("04.3", spade)
def spade_equals_the_library(function, draw):
    """the block is the library's, also where a class does not occur"""
    x, ids, convs = draw.normal(2, 3, 6, 5), draw.ids(3, 2, 6, 5), layers(draw, 6, 3)
    same(function(x, ids, 6, *convs), right_spade(x, ids, 6, *convs), "the modulated x")


@hidden("04.3", spade)
def spade_without_a_map_is_the_norm(function, draw):
    """if all kernels and biases are 0, the block is the norm alone"""
    x, ids = draw.normal(2, 3, 4, 4), draw.ids(5, 2, 4, 4)
    nothing = [(0 * weight, 0 * bias) for weight, bias in layers(draw, 5, 3)]
    same(function(x, ids, 5, *nothing), right_norm(x), "the block with silent convolutions")


@hidden("04.3", spade)
def spade_resizes_ids(function, draw):
    """a map that is larger or smaller than x is resized by nearest neighbour"""
    for side in (4, 12):
        x, ids, convs = draw.normal(2, 3, 8, 8), draw.ids(9, 2, side, side), layers(draw, 9, 3)
        right = right_spade(x, ids, 9, *convs)
        same(function(x, ids, 9, *convs), right, f"x of 8 pixels with a map of {side}")


### END HIDDEN TESTS

# %% [markdown]
# ## 04.4 Wash it out (4 points, marked by a person)
#
# Before SPADE, the map was the *input*: planes, a convolution, and then a norm. Let a horizon sink: `share` of the map
# is sky, the rest is grass. **Draw a figure** with the share of sky to the right, from 0.05 to 1, and upwards the
# *strength of the sky's signal*: the root mean square, over channels and pixels of the sky, of
# (a) the map's features after convolution and norm, of one picture alone; (b) what SPADE adds to a normalised
# noise, `spade(x, ...) - normalise(x)`. Draw the two in one figure, with labels.

# %% nbgrader={"grade": false, "grade_id": "e04", "locked": false, "schema_version": 3, "solution": true, "task": false}
torch.manual_seed(0)
side, classes = 32, 2
shared = torch.randn(16, classes, 3, 3) / 3, torch.zeros(16)
to_gamma = torch.randn(8, 16, 3, 3) / 12, torch.zeros(8)
to_beta = torch.randn(8, 16, 3, 3) / 12, torch.zeros(8)


def horizon(share):
    """Ids of one picture, [1, 32, 32]: sky is 0, grass is 1."""
    rows = torch.arange(side)[:, None].expand(side, side)
    return (rows >= round(share * side)).long()[None]


### BEGIN SOLUTION
import matplotlib.pyplot as plt

shares = torch.linspace(0.05, 1, 20)
after_norm, after_spade = [], []
for share in shares.tolist():
    ids = horizon(share)
    sky, x = ids == 0, torch.randn(1, 8, side, side)
    planes = F.one_hot(ids, classes).permute(0, 3, 1, 2).float()
    padded = F.pad(planes, [1] * 4, mode="replicate")  # a border would be a signal, too
    features = normalise(F.conv2d(padded, *shared))
    added = spade(x, ids, classes, shared, to_gamma, to_beta) - normalise(x)
    for signal, values in ((features, after_norm), (added, after_spade)):
        values.append(signal.permute(0, 2, 3, 1)[sky].square().mean().sqrt().item())
plt.plot(shares, after_norm, "o-", label="convolution, then norm")
plt.plot(shares, after_spade, "o-", label="SPADE")
plt.xlabel("share of the picture that is sky")
plt.ylabel("strength of the sky's signal")
plt.ylim(bottom=0)
plt.legend()
plt.show()
### END SOLUTION

# %% [markdown]
# <details><summary>How the answer is marked</summary>
#
# 1 point: the figure shows both lines with labels. 1 point: it is said what happens at a share of 1, with the numbers. 1
# point: it is explained which step removes the signal, and why SPADE's comes after it. 1 point: it is said what would
# happen to the first line if the statistics were those of a batch of different maps.
#
# </details>

# %% [markdown] nbgrader={"grade": true, "grade_id": "w04-4", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### Your answer 04.4
#
# ### BEGIN SOLUTION
# After convolution and norm the sky's signal falls from about 3 at a twentieth of the picture to 0 where everything is
# sky: the norm subtracts each channel's mean, and a constant map *is* its mean. In SPADE the map never passes a norm:
# gamma and beta are made of it and act after the norm, so the signal is there whatever the share. In a batch of
# different maps the mean would be that of all of them, and sky would stay apart from grass, until all are alike.
# ### END SOLUTION

# %% [markdown]
# ## 04.5 An open extension
#
# Put an instance norm in place of the batch norm in your block, and look at the experiment again. Or: train the course's
# small painter with `course train spade` with and without SPADE's blocks, and compare large areas of sky.
