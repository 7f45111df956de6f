# %% [markdown]
# # Assignment 03: scissors and glue with gradients
#
# BADGE
#
# **The question.** A painter of layers must learn *where* to glue a thing on. Yet "glue it five pixels further
# right" is a decision, and decisions have no slope. You will build the spatial transformer, for a whole batch at
# once, and see how a thing finds its place by gradients alone; and how it gets lost.
#
# | part | what | points |
# |---|---|---|
# | 03.1 | a grid of questions | 2 |
# | 03.2 | bilinear answers | 4 |
# | 03.3 | an affine paste | 3 |
# | 03.4 | an experiment with a figure, and an answer in words | 4 |
# | 03.5 | an open extension | for the joy of it |
#
# **You will be able to** read a pose backwards and forwards; write bilinear sampling for batches without a loop over
# pixels; say which gradients run through a paste; and predict when a thing cannot find its place.
#
# **Time:** 90 to 120 minutes. **You need** chapter 03, sections 3 to 5. Hints unfold when you click on them; try
# first. Every `check` tries your function with fresh random inputs. Marks come from other tests, with other inputs;
# while these run, `course_lib` is not there. Do without `F.affine_grid` and `F.grid_sample`: they *are* the assignment.

# %% tags=["colab-setup"]
# SETUP

# %%
import torch

from course_lib.grading import check

# %% [markdown]
# ## 03.1 A grid of questions (2 points)
#
# A pose $A$ is a 2 x 3 matrix that answers, for every point of the canvas, which point of the picture is seen there:
# $(x', y') = A\,(x, y, 1)$. All coordinates go from -1 to 1, and -1 and 1 are the *centres* of the outermost pixels.
# The chapter has it for one pose. Write it for a batch: `[B, 2, 3]` to `[B, height, width, 2]`, x first, then y.
#
# <details><summary>Hint 1: the points of the canvas</summary>
#
# `torch.linspace(-1, 1, width)` are the x of a row. `torch.meshgrid(down, right, indexing="ij")` gives y and x of all.
#
# </details>
#
# <details><summary>Hint 2: a batch of matrices times the same points</summary>
#
# `points @ poses.transpose(1, 2)` wants shapes `[H W, 3]` and `[B, 3, 2]`; the result is reshaped. Or use
# `torch.einsum("hwk,bik->bhwi", points, poses)`, which says the same in letters.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a03-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def grid(poses, height, width):
    """[B, 2, 3] to [B, height, width, 2]: which point of the picture each pixel shows."""
    ### BEGIN SOLUTION
    down, right = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    y, x = torch.meshgrid(down, right, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    return torch.einsum("hwk,bik->bhwi", points, poses)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q03-1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("03.1", grid)
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import hidden, same
from course_lib.grading.checks.affine_paste import poses_of, right_grid, right_paste, right_sample


@hidden("03.1", grid)
def grid_equals_torch(function, draw):
    """the points are those of affine_grid with corners aligned, on canvases that are not square"""
    count, height, width = draw.whole(1, 4), draw.whole(2, 4), draw.whole(5, 8)
    poses = poses_of(draw, count)
    same(function(poses, height, width), right_grid(poses, height, width), "the points")


@hidden("03.1", grid)
def grid_shifts_x_by_the_third_column(function, draw):
    """a pose that shifts x alone leaves y as it is"""
    poses = torch.eye(2, 3).repeat(2, 1, 1)
    poses[:, 0, 2] = draw.uniform(-1.0, 1.0, 2)
    same(function(poses, 5, 7), right_grid(poses, 5, 7), "the points")


@hidden("03.1", grid)
def grid_teaches_every_pose(function, draw):
    """the slope reaches each pose of the batch"""
    poses, along = poses_of(draw, 3), draw.normal(3, 4, 5, 2)
    right = poses.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((right_grid(right, 4, 5) * along).sum(), right)
    same(function.slope(poses, 4, 5, of=0, along=along), wanted, "the slope with respect to poses")


### END HIDDEN TESTS

# %% [markdown]
# ## 03.2 Bilinear answers (4 points)
#
# A point asked for lies between four pixels. Each counts the more the nearer it is, $(1-|\Delta x|)(1-|\Delta y|)$,
# and a pixel outside the picture counts as 0. For a batch: pictures `[B, C, h, w]`, points `[B, H, W, 2]`, and every
# picture is asked by *its own* points. A loop over the four neighbours is fine, one over pixels or pictures is not.
#
# The weights are where the gradient runs: move a point a little, and the mixture changes a little.
#
# <details><summary>Hint 1: from -1 ... 1 to pixels</summary>
#
# `x = (points[..., 0] + 1) / 2 * (w - 1)`: then 0 is the centre of the first column and `w - 1` that of the last.
#
# </details>
#
# <details><summary>Hint 2: each picture by its own points</summary>
#
# Number the pictures: `one = torch.arange(B)[:, None, None]`. Then `pictures[one, :, row, column]` has the shape
# `[B, H, W, C]`; `permute(0, 3, 1, 2)` puts the channels where they belong.
#
# </details>
#
# <details><summary>Hint 3: pixels that are not there</summary>
#
# Index with `row.clamp(0, h - 1)`, which always exists, and multiply by a mask that says whether `row` did.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a03-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample(pictures, points):
    """[B, C, h, w] and [B, H, W, 2] to [B, C, H, W]: bilinear, 0 outside."""
    ### BEGIN SOLUTION
    count, _, height, width = pictures.shape
    one = torch.arange(count)[:, None, None]
    x = (points[..., 0] + 1) / 2 * (width - 1)
    y = (points[..., 1] + 1) / 2 * (height - 1)
    answer = 0
    for right, below in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        column, row = x.floor().long() + right, y.floor().long() + below
        near = (1 - (x - column).abs()) * (1 - (y - row).abs())
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        pixels = pictures[one, :, row.clamp(0, height - 1), column.clamp(0, width - 1)]
        answer = answer + (near * inside)[..., None] * pixels
    return answer.permute(0, 3, 1, 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q03-2", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("03.2", sample)


### BEGIN HIDDEN TESTS
@hidden("03.2", sample)
def sample_equals_torch(function, draw):
    """samples are those of grid_sample, for pictures that are not square"""
    pictures = draw.normal(draw.whole(2, 3), 2, draw.whole(3, 4), draw.whole(5, 6))
    points = 0.9 * draw.uniform(-1.0, 1.0, len(pictures), 4, 7, 2)
    same(function(pictures, points), right_sample(pictures, points), "the samples")


@hidden("03.2", sample)
def sample_fades_out_at_the_edge(function, draw):
    """outside it is 0, and half a pixel outside it is half of the edge"""
    pictures = draw.uniform(1.0, 2.0, 1, 1, 3, 5)
    points = draw.uniform(-1.8, 1.8, 1, 6, 6, 2)
    same(function(pictures, points), right_sample(pictures, points), "samples inside and outside")


@hidden("03.2", sample)
def sample_keeps_pictures_apart(function, draw):
    """each picture is asked by its own points, and each channel by itself"""
    pictures = draw.normal(3, 2, 4, 4)
    points = right_grid(poses_of(draw, 3), 5, 6)
    same(
        function(pictures, points), right_sample(pictures, points), "the samples of three pictures"
    )


@hidden("03.2", sample)
def sample_teaches_points(function, draw):
    """the slope with respect to the points is that of bilinear weights"""
    pictures, along = draw.normal(2, 3, 5, 6), draw.normal(2, 3, 4, 4)
    points = draw.uniform(-0.8, 0.8, 2, 4, 4, 2)
    right = points.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((right_sample(pictures, right) * along).sum(), right)
    came = function.slope(pictures, points, of=1, along=along)
    same(came, wanted, "the slope with respect to the points", close=1e-3)


### END HIDDEN TESTS

# %% [markdown]
# ## 03.3 An affine paste (3 points)
#
# Now glue. Appearance $f$ and mask $m$ are put in their place by the same pose, and then
# $x \leftarrow \hat m\hat f + (1-\hat m)\,x$. Where the pose looks outside of the square the mask is 0, and the canvas
# stays. Both, appearance *and* mask, must tell the pose where to go: chapter 03 tells what happened to a program in
# which one of them did not.
#
# <details><summary>Hint</summary>
#
# The grid has the size of the *canvas*, and both are sampled with it. Three lines will do.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a03-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def paste(canvas, appearance, mask, poses):
    """[B, C, H, W], [B, C, h, w], [B, 1, h, w] and [B, 2, 3] to the new canvas, [B, C, H, W]."""
    ### BEGIN SOLUTION
    points = grid(poses, *canvas.shape[-2:])
    shown, cover = sample(appearance, points), sample(mask, points)
    return cover * shown + (1 - cover) * canvas
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q03-3", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("03.3", paste)


### BEGIN HIDDEN TESTS
def scene(draw):
    """Canvas, appearance, mask and poses; the square is smaller than the canvas, and not square."""
    canvas, appearance = draw.normal(2, 3, 6, 8), draw.normal(2, 3, 4, 5)
    return canvas, appearance, draw.uniform(0.0, 1.0, 2, 1, 4, 5), poses_of(draw, 2)


@hidden("03.3", paste)
def paste_equals_the_library(function, draw):
    """the new canvas is the library's"""
    things = scene(draw)
    same(function(*things), right_paste(*things), "the new canvas")


@hidden("03.3", paste)
def paste_leaves_the_rest(function, draw):
    """around a small thing, and under an empty mask, the canvas stays as it was"""
    canvas, appearance, mask, poses = scene(draw)
    same(function(canvas, appearance, 0 * mask, poses), canvas, "the canvas under an empty mask")
    small = 4 * torch.eye(2, 3).repeat(2, 1, 1)
    right = right_paste(canvas, appearance, mask, small)
    same(function(canvas, appearance, mask, small), right, "the canvas around a small thing")


@hidden("03.3", paste)
def paste_teaches_poses_by_the_mask(function, draw):
    """a plain white thing finds its place: its mask tells the pose where to go"""
    canvas, appearance, mask, poses = scene(draw)
    inputs, along = (canvas, torch.ones_like(appearance), mask), draw.normal(2, 3, 6, 8)
    right = poses.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((right_paste(*inputs, right) * along).sum(), right)
    came = function.slope(*inputs, poses, of=3, along=along)
    same(came, wanted, "the slope with respect to the poses", close=1e-3)


### END HIDDEN TESTS

# %% [markdown]
# ## 03.4 Lost and found (4 points, marked by a person)
#
# Here is a canvas on which a disc lies at $x = 0.4$. You hold the same disc, but at $x = s$, and move it by gradient
# descent on the mean squared difference of the two pictures, which is all that you can see. **Draw a figure**: the start
# $s$ to the right, from -1.2 to 1.2, and where the disc ends upwards, for at least twelve starts. The hard disc has a
# square of 0.35 of the canvas. Then do it again with the *soft* disc, whose square is as large as the canvas, so that it
# fades out far around. Label axes and lines.

# %% nbgrader={"grade": false, "grade_id": "e03", "locked": false, "schema_version": 3, "solution": true, "task": false}
side = 24
y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
hard = ((x**2 + y**2) < 0.8).float()[None, None]  # [1, 1, 24, 24]
soft = torch.exp(-4 * (x**2 + y**2))[None, None]


def put(mask, centre, size):
    """The canvas with a white thing at (centre, 0), whose square has this share of the canvas."""
    scale, nothing = torch.full_like(centre, 1 / size), torch.zeros_like(centre)
    rows = [torch.stack([scale, nothing, -centre / size]), torch.stack([nothing, scale, nothing])]
    white = torch.ones_like(mask)
    return paste(torch.zeros(1, 1, side, side), white, mask, torch.stack(rows)[None])


### BEGIN SOLUTION
import matplotlib.pyplot as plt

starts = torch.linspace(-1.2, 1.2, 13)
for name, mask, size in (("hard disc", hard, 0.35), ("soft disc", soft, 1.0)):
    wanted, ends = put(mask, torch.tensor(0.4), size), []
    for start in starts:
        centre = start.clone().requires_grad_()
        adam = torch.optim.Adam([centre], lr=0.05)
        for _ in range(60):
            adam.zero_grad()
            (put(mask, centre, size) - wanted).square().mean().backward()
            adam.step()
        ends.append(centre.item())
    plt.plot(starts, ends, "o-", label=name)
plt.axhline(0.4, color="grey", linewidth=1)
plt.xlabel("start")
plt.ylabel("end")
plt.legend()
plt.show()
### END SOLUTION

# %% [markdown]
# <details><summary>How the answer is marked</summary>
#
# 1 point: the figure has two lines with labels. 1 point: it is said from which starts the disc arrives, with numbers.
# 1 point: it is explained why it does not arrive from the others (which pixels have a slope there?). 1 point: it is
# said what this means for a painter that has to learn its poses, and one remedy is named.
#
# </details>

# %% [markdown] nbgrader={"grade": true, "grade_id": "w03-4", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### Your answer 03.4
#
# ### BEGIN SOLUTION
# The hard disc arrives from starts between -0.2 and 0.8, where it overlaps the other one. From further away the
# difference does not change when the disc moves: it covers black pixels either way, so the slope points nowhere, or
# outwards, because a disc that leaves the canvas covers fewer wrong pixels. The soft disc arrives from -0.6 to 1.2,
# since its edge is everywhere. A painter whose poses begin far from the things learns nothing about them; one begins
# with large things in the middle, or with soft masks.
# ### END SOLUTION

# %% [markdown]
# ## 03.5 An open extension
#
# Let the pose turn, too, and give the disc a handle, so that its angle matters. How many starts are lost now? Or: put a
# discriminator in place of the squared difference, as LR-GAN does, and see whether it sends a slope from further away.
