# %% [markdown]
# # Assignment 06: a style for each object
#
# BADGE
#
# **The question.** Six objects lie in a picture, and each has a style of its own. A pixel may belong to two of them,
# or to none. Whose style does it wear? You will build LostGAN's answer, a norm whose gain is different at every pixel,
# and find out how far a change of one style spreads.
#
# | part | what | points |
# |---|---|---|
# | 06.1 | whose pixel is it? | 2 |
# | 06.2 | a mixture of styles | 3 |
# | 06.3 | the norm | 4 |
# | 06.4 | an experiment with a figure, and an answer in words | 4 |
# | 06.5 | an open extension | for the joy of it |
#
# **You will be able to** share pixels among soft masks without dividing by 0; write a sum over objects as one matrix
# product; and predict which pixels a re-rolled style can change.
#
# **Time:** 60 to 90 minutes. **You need** chapter 06, section 4. Hints unfold when you click on them; try first.
# Every `check` tries your function with fresh random inputs. Marks come from other tests, with other inputs; while
# these run, `course_lib` is not there: write with torch alone.

# %% tags=["colab-setup"]
# SETUP

# %%
import torch
import torch.nn.functional as F

from course_lib.grading import check

# %% [markdown]
# ## 06.1 Whose pixel is it? (2 points)
#
# Masks are soft, from 0 to 1, and overlap. At each pixel, divide every mask by the sum of all masks there (plus
# $10^{-6}$): the *share* of each object. Where nobody is, all shares are 0.
#
# <details><summary>Hint</summary>
#
# `masks.sum(dim=1, keepdim=True)` keeps a dimension that is broadcast.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a06-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def shares(masks):
    """[B, O, H, W], the same."""
    ### BEGIN SOLUTION
    return masks / (masks.sum(dim=1, keepdim=True) + 1e-6)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q06-1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("06.1", shares)
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import hidden, same
from course_lib.grading.checks.isla_norm import right_isla, right_mix, right_shares, soft_masks


@hidden("06.1", shares)
def shares_equal_the_library(function, draw):
    """shares are masks divided by their sum, for each picture by itself"""
    masks = soft_masks(draw, draw.whole(2, 3), draw.whole(2, 4), 6)
    same(function(masks), right_shares(masks), "the shares")


@hidden("06.1", shares)
def shares_of_nobody_are_zero(function, draw):
    """where no object is, every share is 0 and not NaN"""
    masks = soft_masks(draw, 2, 3, 4)
    masks[:, :, :2] = 0
    same(function(masks), right_shares(masks), "the shares")


### END HIDDEN TESTS

# %% [markdown]
# ## 06.2 A mixture of styles (3 points)
#
# Each object has `C` numbers, `[B, O, C]`. A pixel gets the mean of them, weighted by the shares: `[B, C, H, W]`. Do not
# make a tensor `[B, O, C, H, W]`: for 10 objects, 512 channels and 64 x 64 pixels that is 80 MB a picture. It is *one*
# matrix product, `[C, O]` by `[O, H W]`.
#
# <details><summary>Hint</summary>
#
# `torch.bmm(each.transpose(1, 2), shares(masks).flatten(2))`, and then a reshape. Or `torch.einsum`, in letters.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a06-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mix(each, masks):
    """[B, O, C] and masks [B, O, H, W] to [B, C, H, W]."""
    ### BEGIN SOLUTION
    mixed = torch.bmm(each.transpose(1, 2), shares(masks).flatten(2))
    return mixed.unflatten(2, masks.shape[-2:])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q06-2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("06.2", mix)


### BEGIN HIDDEN TESTS
@hidden("06.2", mix)
def mix_equals_the_library(function, draw):
    """each pixel gets the weighted mean of its objects' numbers"""
    objects = draw.whole(2, 4)
    each, masks = draw.normal(2, objects, 5), soft_masks(draw, 2, objects, 6)
    same(function(each, masks), right_mix(each, masks), "the mixture")


@hidden("06.2", mix)
def mix_of_one_is_that_one(function, draw):
    """an object alone gives its numbers undiminished, however soft its mask"""
    each, masks = draw.normal(2, 1, 4), draw.uniform(0.1, 0.3, 2, 1, 3, 3)
    right = each[:, 0, :, None, None].expand(2, 4, 3, 3)
    same(function(each, masks), right, "the mixture of one object", close=1e-3)


@hidden("06.2", mix)
def mix_teaches_styles(function, draw):
    """the slope reaches each object's numbers by its shares"""
    each, masks, along = draw.normal(2, 3, 4), soft_masks(draw, 2, 3, 5), draw.normal(2, 4, 5, 5)
    right = torch.einsum("bchw,bohw->boc", along, right_shares(masks))
    same(function.slope(each, masks, of=0, along=along), right, "the slope", close=1e-3)


### END HIDDEN TESTS

# %% [markdown]
# ## 06.3 The norm (4 points)
#
# $$y = (1 + \gamma)\,\frac{x - \mu_c}{\sqrt{\sigma_c^2 + \varepsilon}} + \beta$$
#
# $\mu_c$ and $\sigma_c^2$ are a channel's mean and variance over *batch and pixels* (divided by the number of pixels),
# $\varepsilon = 10^{-5}$; $\gamma$ and $\beta$ are the mixtures of the objects' own. Masks come in a size of their own and
# are resized to that of `x`, bilinearly with `align_corners=False`.
#
# <details><summary>Hint 1: the norm</summary>
#
# `F.batch_norm(x, None, None, training=True)`, or by hand as in assignment 04.
#
# </details>
#
# <details><summary>Hint 2: resizing</summary>
#
# `F.interpolate(masks, size=x.shape[-2:], mode="bilinear", align_corners=False)`: objects are its channels.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a06-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def isla(x, gammas, betas, masks):
    """[B, C, H, W], [B, O, C] twice and [B, O, h, w] to [B, C, H, W]."""
    ### BEGIN SOLUTION
    masks = F.interpolate(masks, size=x.shape[-2:], mode="bilinear", align_corners=False)
    normalised = F.batch_norm(x, None, None, training=True, eps=1e-5)
    return (1 + mix(gammas, masks)) * normalised + mix(betas, masks)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q06-3", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("06.3", isla)


### BEGIN HIDDEN TESTS
def styled(draw, side):
    """x of 8 pixels, styles of three objects, and masks of ``side`` pixels."""
    x = draw.normal(3, 4, 8, 8) + 2 * draw.normal(3, 1, 1, 1)
    return x, draw.normal(3, 3, 4), draw.normal(3, 3, 4), soft_masks(draw, 3, 3, side)


@hidden("06.3", isla)
def isla_equals_the_library(function, draw):
    """the block is the library's, with statistics of the whole batch"""
    inputs = styled(draw, 8)
    same(function(*inputs), right_isla(*inputs), "the modulated x")


@hidden("06.3", isla)
def isla_resizes_masks(function, draw):
    """masks of another size are resized bilinearly"""
    for side in (4, 16):
        inputs = styled(draw, side)
        same(function(*inputs), right_isla(*inputs), f"x of 8 pixels with masks of {side}")


@hidden("06.3", isla)
def isla_leaves_nobodys_pixels(function, draw):
    """where nobody is, only the norm is left"""
    x, gammas, betas, masks = styled(draw, 8)
    right = right_isla(x, 0 * gammas, 0 * betas, masks)
    same(function(x, gammas, betas, 0 * masks), right, "x with empty masks")


### END HIDDEN TESTS

# %% [markdown]
# ## 06.4 How far does a style spread? (4 points, marked by a person)
#
# One ISLA changes nothing outside of the object whose style is re-rolled. A painter has many, with convolutions between
# them. Stack `depth` times *ISLA, ReLU, 3 x 3 convolution* (`layer` below is given) on the same `x` with two styles of
# object 0, and compare. **Draw a figure**: depth from 1 to 8 to the right; upwards the *share of pixels outside of
# object 0's mask* that change by more than a thousandth. Then add a line for a network whose norm has *fixed*
# statistics, mean 0 and variance 1, instead of the batch's. Label axes and lines.

# %% nbgrader={"grade": false, "grade_id": "e06", "locked": false, "schema_version": 3, "solution": true, "task": false}
torch.manual_seed(0)
side, channels = 32, 8
kernels = [torch.randn(channels, channels, 3, 3) / 8 for _ in range(8)]
x = torch.randn(2, channels, side, side)
masks = torch.zeros(2, 2, side, side)
masks[:, 0, 4:12, 4:12] = 1  # object 0, the one that changes
masks[:, 1, 14:30, 10:28] = 1
gammas, betas = torch.randn(2, 2, 2, channels)
others = torch.randn(2, channels)  # another style of object 0, for gamma and beta


def layer(x, gammas, betas, kernel, norm=isla):
    return F.conv2d(norm(x, gammas, betas, masks).relu(), kernel, padding=1)


### BEGIN SOLUTION
import matplotlib.pyplot as plt


def fixed(x, gammas, betas, masks):
    return (1 + mix(gammas, masks)) * x + mix(betas, masks)


new_gammas, new_betas = gammas.clone(), betas.clone()
new_gammas[:, 0], new_betas[:, 0] = others
outside = masks[:, 0] == 0
for name, norm in (("statistics of the batch", isla), ("fixed statistics", fixed)):
    before, after, changed = x, x, []
    for kernel in kernels:
        before = layer(before, gammas, betas, kernel, norm)
        after = layer(after, new_gammas, new_betas, kernel, norm)
        moved = (before - after).abs().amax(dim=1) > 1e-3  # [B, H, W]
        changed.append(moved[outside].float().mean().item())
    plt.plot(range(1, 9), changed, "o-", label=name)
plt.xlabel("depth")
plt.ylabel("share of outside pixels that change")
plt.legend()
plt.show()
### END SOLUTION

# %% [markdown]
# <details><summary>How the answer is marked</summary>
#
# 1 point: the figure has both lines with labels. 1 point: the slow spreading (a pixel a convolution) is found and
# explained. 1 point: the jump is found, and explained by the statistics that all pixels share. 1 point: it is said what
# this means for somebody who wants to change *one* object of a finished picture, and one remedy is named.
#
# </details>

# %% [markdown] nbgrader={"grade": true, "grade_id": "w06-4", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### Your answer 06.4
#
# ### BEGIN SOLUTION
# With fixed statistics the change creeps outwards, one pixel for every 3 x 3 convolution, and after eight layers about a
# third of the outside is reached. With the statistics of the batch nearly every pixel of the whole picture changes from
# the second layer on: the new style changes mean and variance of the channels, and these are subtracted everywhere, even
# in the other picture of the batch. At inference a painter uses fixed averages, so only the creeping is left; whoever
# wants less of it pastes the old pixels back, or uses fewer or smaller kernels.
# ### END SOLUTION

# %% [markdown]
# ## 06.5 An open extension
#
# Take the trained painter of chapter 06, re-roll one object's style, and measure the same share on its pictures. Is the
# spread what your figure predicts? Which objects leak most: large ones, or those in front?
