# %% [markdown]
# # Assignment 05: cut, repaint, paste
#
# BADGE
#
# **The question.** A caption says "two sheep and a tree", and a global painter smears them. OP-GAN gives each object a
# pathway of its own: cut its box out of the map, repaint it at a fixed size, paste it back. Which object wins where two
# overlap? You will build the pathway's two poses, its merge, and the whole of it.
#
# | part | what | points |
# |---|---|---|
# | 05.1 | the pose that cuts | 2 |
# | 05.2 | the pose that pastes | 2 |
# | 05.3 | who covers whom | 2 |
# | 05.4 | the whole pathway | 3 |
# | 05.5 | an experiment with a figure, and an answer in words | 4 |
# | 05.6 | an open extension | for the joy of it |
#
# **You will be able to** turn a box into two affine poses and say why one undoes the other; merge layers as the
# published program does; and name what that merge gets wrong.
#
# **Time:** 90 to 120 minutes. **You need** chapter 05, section 4, and what a pose is: chapter 03, section 4.
# Hints unfold when you click on them; try first. Every `check` tries your function with fresh random inputs. Marks
# come from other tests, with other inputs; while these run, `course_lib` is not there: write with torch alone.

# %% tags=["colab-setup"]
# SETUP

# %%
import torch
import torch.nn.functional as F

from course_lib.grading import check

# %% [markdown]
# ## 05.1 The pose that cuts (2 points)
#
# A box is `x, y, w, h`: its upper left corner and its size, as fractions of the picture. A pose says for each point of
# the *result*, from -1 to 1, which point of the picture is seen there, from -1 to 1 as well. Write the pose that shows the
# box on the whole of a small square: `[..., 4]` to `[..., 2, 3]`.
#
# <details><summary>Hint 1: what must hold</summary>
#
# The square's corner (-1, -1) sees the box's corner, and its middle (0, 0) sees the box's middle.
#
# </details>
#
# <details><summary>Hint 2: from fractions to -1 ... 1</summary>
#
# A fraction $f$ lies at $2f - 1$. The box's middle is at $x + w/2$, so at $2x + w - 1$; and half its width is $w$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a05-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def crop_pose(boxes):
    """[..., 4] (x, y, w, h) to [..., 2, 3]."""
    ### BEGIN SOLUTION
    x, y, w, h = boxes.unbind(dim=-1)
    zero = torch.zeros_like(x)
    across = torch.stack([w, zero, 2 * x + w - 1], dim=-1)
    down = torch.stack([zero, h, 2 * y + h - 1], dim=-1)
    return torch.stack([across, down], dim=-2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q05-1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("05.1", crop_pose)
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import hidden, same
from course_lib.grading.checks.object_pathway import (
    boxes_of, right_merge, right_pathway, right_poses,
)  # fmt: skip


@hidden("05.1", crop_pose)
def crop_equals_the_library(function, draw):
    """poses are the library's"""
    boxes = boxes_of(draw, draw.whole(1, 3), draw.whole(1, 4))
    same(function(boxes), right_poses(boxes).crop, "the poses")


@hidden("05.1", crop_pose)
def crop_of_everything_changes_nothing(function, draw):
    """the box of the whole picture gives the pose that changes nothing"""
    boxes = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(2, 1, 4).contiguous()
    same(function(boxes), torch.eye(2, 3).expand(2, 1, 2, 3), "the pose of the whole picture")


### END HIDDEN TESTS

# %% [markdown]
# ## 05.2 The pose that pastes (2 points)
#
# The way back: the pose that shows a small square *in* the box. It is asked with a point of the picture, and answers with
# a point of the square; outside of the box the answer lies outside of -1 to 1.
#
# <details><summary>Hint</summary>
#
# It undoes the first pose. If $x' = w\,x + m$ then $x = x'/w - m/w$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a05-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def paste_pose(boxes):
    """[..., 4] (x, y, w, h) to [..., 2, 3]."""
    ### BEGIN SOLUTION
    x, y, w, h = boxes.unbind(dim=-1)
    zero = torch.zeros_like(x)
    across = torch.stack([1 / w, zero, -(2 * x + w - 1) / w], dim=-1)
    down = torch.stack([zero, 1 / h, -(2 * y + h - 1) / h], dim=-1)
    return torch.stack([across, down], dim=-2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q05-2", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("05.2", paste_pose)


### BEGIN HIDDEN TESTS
@hidden("05.2", paste_pose)
def paste_pose_equals_the_library(function, draw):
    """poses are the library's"""
    boxes = boxes_of(draw, draw.whole(1, 3), draw.whole(1, 4))
    same(function(boxes), right_poses(boxes).paste, "the poses", close=1e-3)


@hidden("05.2", paste_pose)
def paste_pose_undoes_the_crop(function, draw):
    """cut and paste in turn lead every point back to where it was"""
    boxes = boxes_of(draw, 2, 3)
    came = function(boxes)
    same(came, right_poses(boxes).paste, "the poses", close=1e-3)
    crop = torch.cat([right_poses(boxes).crop, torch.tensor([0.0, 0, 1]).expand(2, 3, 1, 3)], dim=2)
    same(came @ crop, torch.eye(2, 3).expand(2, 3, 2, 3), "paste after crop", close=1e-3)


### END HIDDEN TESTS

# %% [markdown]
# ## 05.3 Who covers whom (2 points)
#
# All objects lie on canvases of their own, `[B, O, C, H, W]`, 0 around their boxes. The published program merges them in
# order: a later one covers an earlier one wherever, *in that channel*, it is not 0.
#
# <details><summary>Hint</summary>
#
# A loop over the objects, and `torch.where(one != 0, one, canvas)`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a05-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def merge(laid):
    """[B, O, C, H, W] to [B, C, H, W]."""
    ### BEGIN SOLUTION
    canvas = torch.zeros_like(laid[:, 0])
    for one in laid.unbind(dim=1):
        canvas = torch.where(one != 0, one, canvas)
    return canvas
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q05-3", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("05.3", merge)


### BEGIN HIDDEN TESTS
def layered(draw):
    """Three objects on canvases of their own, each with holes."""
    there = draw.uniform(0.0, 1.0, 2, 3, 2, 5, 6) > 0.5
    return draw.normal(2, 3, 2, 5, 6) * there


@hidden("05.3", merge)
def merge_covers_in_order(function, draw):
    """the last object that is there is seen"""
    laid = layered(draw)
    same(function(laid), right_merge(laid), "the canvas")


@hidden("05.3", merge)
def merge_lets_through_holes(function, draw):
    """where a later object is 0, the earlier one stays"""
    laid = layered(draw)
    laid[:, 2, :, :3] = 0
    same(function(laid), right_merge(laid), "the canvas under holes")


### END HIDDEN TESTS

# %% [markdown]
# ## 05.4 The whole pathway (3 points)
#
# Cut each box out of the map at `side` x `side`, repaint it, paste it into a canvas of the map's size, merge. To repaint
# is here no network but `gains`, a number for each object and channel, to multiply with. `F.affine_grid` and
# `F.grid_sample` are welcome, both with `align_corners=False`, bilinear, zeros outside.
#
# <details><summary>Hint 1: one batch of all objects</summary>
#
# `boxes.flatten(0, 1)` makes `B O` boxes; `maps.repeat_interleave(O, dim=0)` a map for each.
#
# </details>
#
# <details><summary>Hint 2: the canvas is not the square</summary>
#
# The first grid has `side` x `side` points, the second one as many as the map has pixels.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a05-4", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pathway(maps, boxes, gains, side):
    """[B, C, H, W], [B, O, 4] and [B, O, C] to the canvas, [B, C, H, W]."""

    ### BEGIN SOLUTION
    def look(pictures, poses, height, width):
        size = [*pictures.shape[:2], height, width]
        points = F.affine_grid(poses, size, align_corners=False)
        return F.grid_sample(
            pictures, points, mode="bilinear", padding_mode="zeros", align_corners=False
        )

    count, every = boxes.shape[1], boxes.flatten(0, 1)
    seen = look(maps.repeat_interleave(count, dim=0), crop_pose(every), side, side)
    painted = seen * gains.flatten(0, 1)[..., None, None]
    laid = look(painted, paste_pose(every), *maps.shape[-2:])
    return merge(laid.unflatten(0, boxes.shape[:2]))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q05-4", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("05.4", pathway)


### BEGIN HIDDEN TESTS
@hidden("05.4", pathway)
def pathway_equals_the_library(function, draw):
    """the canvas is the library's"""
    inputs = draw.normal(2, 3, 8, 8), boxes_of(draw, 2, 3), draw.normal(2, 3, 3), 4
    same(function(*inputs), right_pathway(*inputs), "the canvas")


@hidden("05.4", pathway)
def pathway_repaints_each_object(function, draw):
    """an object whose gain is 0 leaves nothing, and harms no other"""
    maps, boxes, gains = draw.normal(2, 3, 8, 8), boxes_of(draw, 2, 2), draw.normal(2, 2, 3)
    gains[:, 1] = 0
    right = right_pathway(maps, boxes, gains, 4)
    same(function(maps, boxes, gains, 4), right, "the canvas without object 1")


@hidden("05.4", pathway)
def pathway_teaches_gains(function, draw):
    """the slope reaches every object that is seen"""
    maps, boxes, gains = draw.normal(1, 2, 6, 6), boxes_of(draw, 1, 2), draw.normal(1, 2, 2)
    right = gains.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(right_pathway(maps, boxes, right, 4).sum(), right)
    same(function.slope(maps, boxes, gains, 4, of=2), wanted, "the slope of gains", close=1e-3)


### END HIDDEN TESTS

# %% [markdown]
# ## 05.5 Who is lost? (4 points, marked by a person)
#
# Draw many random layouts of five boxes (a size from 0.1 to 0.6, anywhere) and merge them in three orders: as they come,
# large ones first, small ones first. **Draw a figure**: the area of a box to the right, in at least five groups; upwards
# the share of its pixels that are *seen* in the end; a line for each order. Label axes and lines.

# %% nbgrader={"grade": false, "grade_id": "e05", "locked": false, "schema_version": 3, "solution": true, "task": false}
torch.manual_seed(0)
size = 0.1 + 0.5 * torch.rand(400, 5, 2)
boxes = torch.cat([torch.rand(400, 5, 2) * (1 - size), size], dim=2)  # [400, 5, 4]

### BEGIN SOLUTION
import matplotlib.pyplot as plt

area, side = boxes[..., 2] * boxes[..., 3], 32
pixels = (torch.arange(side) + 0.5) / side
groups = torch.linspace(0.01, 0.36, 8)


def inside(boxes):
    """1 in each box: [B, O, 32, 32]."""
    x, y, w, h = (part[..., None] for part in boxes.unbind(dim=-1))
    across, down = (pixels > x) & (pixels < x + w), (pixels > y) & (pixels < y + h)
    return (down[..., :, None] & across[..., None, :]).float()


orders = {
    "as they come": torch.arange(5).expand(400, 5),
    "large ones first": area.argsort(dim=1, descending=True),
    "small ones first": area.argsort(dim=1),
}
for name, order in orders.items():
    sorted_boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
    there = inside(sorted_boxes)
    names = torch.arange(1.0, 6.0)[None, :, None, None]
    canvas = merge((there * names)[:, :, None])  # [400, 1, 32, 32]
    seen = (canvas == names).float() * there
    share = seen.sum(dim=(2, 3)) / there.sum(dim=(2, 3)).clamp(min=1)
    group = torch.bucketize(sorted_boxes[..., 2] * sorted_boxes[..., 3], groups)
    means = [share[group == number].mean() for number in range(1, 8)]
    plt.plot((groups[:-1] + groups[1:]) / 2, means, "o-", label=name)
plt.xlabel("area of the box")
plt.ylabel("share of it that is seen")
plt.legend()
plt.show()
### END SOLUTION

# %% [markdown]
# <details><summary>How the answer is marked</summary>
#
# 1 point: the figure has three lines with labels. 1 point: it is said which boxes suffer in which order, with numbers. 1
# point: the course's choice (the largest first) is justified or attacked with the figure. 1 point: something is named that
# no order of boxes can do right.
#
# </details>

# %% [markdown] nbgrader={"grade": true, "grade_id": "w05-5", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### Your answer 05.5
#
# ### BEGIN SOLUTION
# As they come, every box keeps about 70 % of its pixels, whatever its size. Small ones first, the smallest keep about a
# half and the largest nearly all; large ones first, it is the other way round: the smallest are seen nearly whole, and
# the largest keep somewhat more than 40 %. Large ones first is still the kindest order, since half of a large thing can
# be recognised and half of a small one cannot, and the small one would often be gone altogether. But boxes are not
# outlines: a small house behind a tree is pasted over it, and a box's empty corners hide what lies there.
# ### END SOLUTION

# %% [markdown]
# ## 05.6 An open extension
#
# Merge by a soft mask for each object, as in assignment 03, instead of "not 0". What must the pathway learn in addition?
# Or: let a trained OP-GAN paint the same two overlapping boxes in both orders, and compare.
