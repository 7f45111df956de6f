# %% [markdown]
# # Assignment 01: a leash for the critic
#
# BADGE
#
# **The question.** A critic that is sure of itself teaches nothing: its slope is steep in one place and flat
# everywhere else. Spectral norm bounds the slope of every layer *by construction*. You will build it, the whole
# of it, and find out how little work it takes.
#
# | part | what | points |
# |---|---|---|
# | 01.1 | one step of the power iteration | 2 |
# | 01.2 | the largest singular value, and what learns from it | 3 |
# | 01.3 | a normalised weight | 3 |
# | 01.4 | an experiment with a figure, and an answer in words | 4 |
# | 01.5 | an open extension | for the joy of it |
#
# **You will be able to** say what a singular value is without a formula; compute the largest one with two
# multiplications; explain why one step a round is enough in training; and prove that your layer's slope is
# bounded.
#
# **Time:** 60 to 90 minutes. **You need** chapter 01, section 7. Hints unfold when you click on them; try first.
# Every `check` tries your function with fresh random inputs and says what came and what should have come.
# Marks come from other tests, with other inputs. While these run, `course_lib` is not there: write with torch alone.

# %% tags=["colab-setup"]
# SETUP

# %%
import torch
import torch.nn.functional as F

from course_lib.grading import check

# %% [markdown]
# ## What a matrix does to a ball
#
# A matrix $W$ takes a ball and makes an egg of it. The **largest singular value** $\sigma$ is half the egg's
# length: the most that any vector of length 1 can grow. If a layer computes $W x$, then two inputs that lie
# 1 apart have outputs at most $\sigma$ apart. Dividing $W$ by $\sigma$ therefore bounds the layer's slope by 1.
#
# Take *any* vector $u$ of the egg's space, and send it back and forth:
#
# $$v \leftarrow \frac{W^\top u}{|W^\top u|}, \qquad u \leftarrow \frac{W v}{|W v|}$$
#
# Each round trip stretches $u$ most in the direction in which the egg is longest, and the division only keeps the
# length at 1. So $u$ turns into that direction: this is the **power iteration** (Miyato et al., 2018, algorithm 1).
#
# ## 01.1 One step (2 points)
#
# Write one round trip. `weight` is `[rows, columns]`, `u` has one number per row and *need not have length 1*.
# Return `v` and then the new `u`. A matrix of zeros must give zeros, not NaN.
#
# <details><summary>Hint 1: which way round?</summary>
#
# `weight` takes a vector with a number per *column* to one with a number per *row*; its transpose `weight.T` goes
# back. `@` multiplies.
#
# </details>
#
# <details><summary>Hint 2: dividing by a length that may be 0</summary>
#
# `F.normalize(vector, dim=0)` divides by the length, or by a tiny number where the length is even smaller.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a01-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def power_step(weight, u):
    """One round trip: [rows, columns] and [rows] to v, [columns], and u, [rows]."""
    ### BEGIN SOLUTION
    v = F.normalize(weight.T @ u, dim=0)
    u = F.normalize(weight @ v, dim=0)
    return v, u
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q01-1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("01.1", power_step)
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import hidden, parts, same
from course_lib.grading.checks.spectral_norm import kernel, one_step


@hidden("01.1", power_step)
def step_equals_the_library(step, draw):
    """one step takes v from u and then u from this v"""
    weight = kernel(draw)
    begin = draw.normal(len(weight))
    v, u = parts(step(weight, begin), 2, "v and u")
    same(v, one_step(weight, begin)[0], "v")
    same(u, one_step(weight, begin)[1], "u")


@hidden("01.1", power_step)
def step_forgets_the_length(step, draw):
    """a vector u of any length will do"""
    weight = kernel(draw)
    begin = draw.normal(len(weight))
    v, u = parts(step(weight, 1000 * begin), 2, "v and u")
    same(v, one_step(weight, begin)[0], "v from 1000 u")
    same(u, one_step(weight, begin)[1], "u from 1000 u")


@hidden("01.1", power_step)
def step_survives_zeros(step, draw):
    """a matrix of zeros gives zeros and not NaN"""
    weight = torch.zeros(4, draw.whole(5, 7))
    v, u = parts(step(weight, draw.normal(4)), 2, "v and u")
    same(v, weight[0], "v")
    same(u, weight[:, 0], "u")


### END HIDDEN TESTS

# %% [markdown]
# ## 01.2 The number, and who learns from it (3 points)
#
# When $u$ and $v$ have settled, $\sigma = u^\top W v$. The weight of a convolution is `[out, in, k, k]`; it counts
# as a matrix with one row for each *output* channel.
#
# Mind the gradients. $\sigma$ must tell $W$ how it would change, or the division would be a mere constant. But $u$
# and $v$ are a measuring instrument, and nobody should learn through them: *no slope may reach `u` or `v`*.
#
# <details><summary>Hint 1: convolutions</summary>
#
# `weight.flatten(1)` keeps the first dimension and joins all others. It leaves a matrix as it is.
#
# </details>
#
# <details><summary>Hint 2: stopping a gradient</summary>
#
# `x.detach()` has the values of `x` and no past.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a01-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sigma(weight, u, v):
    """u^T W v, a tensor without dimensions; weight is [out, ...]."""
    ### BEGIN SOLUTION
    return u.detach() @ weight.flatten(1) @ v.detach()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q01-2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("01.2", sigma)


### BEGIN HIDDEN TESTS
@hidden("01.2", sigma)
def sigma_is_the_form(number, draw):
    """for any u and v the value is u^T W v"""
    weight = kernel(draw)
    u, v = draw.normal(len(weight)), draw.normal(weight.shape[1])
    same(number(weight, u, v), u @ weight @ v, "sigma")


@hidden("01.2", sigma)
def sigma_reads_kernels_by_output(number, draw):
    """a kernel has one row for each output channel"""
    weight = kernel(draw, draw.whole(1, 3), 2)
    u, v = draw.normal(len(weight)), draw.normal(weight[0].numel())
    same(number(weight, u, v), u @ weight.flatten(1) @ v, "sigma of a kernel")


@hidden("01.2", sigma)
def sigma_teaches_the_weight(number, draw):
    """the slope of sigma with respect to W is u v^T"""
    weight = kernel(draw)
    u, v = draw.normal(len(weight)), draw.normal(weight.shape[1])
    same(number.slope(weight, u, v, of=0), torch.outer(u, v), "the slope with respect to W")


@hidden("01.2", sigma)
def sigma_teaches_nobody_else(number, draw):
    """no slope reaches u or v"""
    weight = kernel(draw)
    u, v = draw.normal(len(weight)), draw.normal(weight.shape[1])
    same(number.slope(weight, u, v, of=1), torch.zeros_like(u), "the slope with respect to u")
    same(number.slope(weight, u, v, of=2), torch.zeros_like(v), "the slope with respect to v")


### END HIDDEN TESTS

# %% [markdown]
# ## 01.3 A normalised weight (3 points)
#
# Put the two together. `normalise(weight, u, steps)` takes `steps` steps from `u` and returns the weight divided by
# its $\sigma$, *in its own shape*, and the last `u`, from which the next call goes on. Use your functions.
#
# <details><summary>Hint: what to hand on</summary>
#
# A matrix for the steps, `weight.flatten(1)`; the whole weight for the division. No gradient belongs into the steps:
# `with torch.no_grad():` around the loop.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a01-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def normalise(weight, u, steps):
    """[out, ...] and [out] to weight / sigma, [out, ...], and the u after `steps` steps."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        for _ in range(steps):
            v, u = power_step(weight.flatten(1), u)
    return weight / sigma(weight, u, v), u
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q01-3", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("01.3", normalise)


### BEGIN HIDDEN TESTS
@hidden("01.3", normalise)
def normalised_to_one(function, draw):
    """after many steps the largest singular value is 1"""
    left, _ = torch.linalg.qr(draw.normal(5, 5))
    right, _ = torch.linalg.qr(draw.normal(7, 5))
    sizes = draw.uniform(0.5, 5.0) * torch.tensor([1.3, 1.0, 0.8, 0.5, 0.2])
    weight = left @ torch.diag(sizes) @ right.T
    normalised, _ = parts(function(weight, draw.normal(5), 40), 2, "W / sigma and u")
    same(normalised, weight / sizes.max(), "W / sigma after 40 steps", close=1e-3)


@hidden("01.3", normalise)
def normalised_step_by_step(function, draw):
    """three steps are one step, three times from the u before"""
    weight = kernel(draw)
    begin = u = draw.normal(len(weight))
    for _ in range(3):
        _, u, right = one_step(weight, u)
    normalised, last = parts(function(weight, begin, 3), 2, "W / sigma and u")
    same(last, u, "u after three steps")
    same(normalised, right, "W / sigma after three steps")


@hidden("01.3", normalise)
def normalised_kernel_keeps_its_shape(function, draw):
    """a kernel stays a kernel"""
    weight = kernel(draw, 3, 2)
    begin = draw.normal(len(weight))
    normalised, _ = parts(function(weight, begin, 1), 2, "W / sigma and u")
    same(normalised, one_step(weight, begin)[2], "W / sigma of a kernel")


@hidden("01.3", normalise)
def normalised_slope(function, draw):
    """W / sigma does not grow with W: walking along W itself changes nothing"""
    weight = kernel(draw)
    begin = draw.normal(len(weight))
    along = draw.normal(*weight.shape)
    slope = function.slope(weight, begin, 1, of=0, along=along)
    right = weight.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((one_step(right, begin)[2] * along).sum(), right)
    same(slope, wanted, "the slope of W / sigma with respect to W", close=1e-3)


### END HIDDEN TESTS

# %% [markdown]
# ## 01.4 How little is enough? (4 points, marked by a person)
#
# Thirty steps a round would be slow. The paper takes **one**, and keeps `u` from round to round. Is that enough?
# In training the weight moves a little each round. So let a weight drift, and follow the true $\sigma$
# (`torch.linalg.matrix_norm(weight, ord=2)`) and three estimates: with one step from the `u` of the round before;
# with one step from a *fresh random* `u`; with five steps from a fresh one.
#
# **Draw a figure**: rounds to the right, estimate divided by truth upwards, a line for each of the three, with
# labels on both axes. Try at least two speeds of the drift.

# %% nbgrader={"grade": false, "grade_id": "e01", "locked": false, "schema_version": 3, "solution": true, "task": false}
torch.manual_seed(1)
weight, u = torch.randn(32, 64), torch.randn(32)
drift = 0.02  # how far the weight moves in a round, as a share of its size

### BEGIN SOLUTION
import matplotlib.pyplot as plt

kept, ratios = u, {"1 step, u kept": [], "1 step, fresh u": [], "5 steps, fresh u": []}
for _ in range(100):
    weight = weight + drift * torch.randn_like(weight)
    truth = torch.linalg.matrix_norm(weight, ord=2)
    scaled, kept = normalise(weight, kept, 1)
    ratios["1 step, u kept"].append((weight[0, 0] / scaled[0, 0] / truth).item())
    for steps, name in ((1, "1 step, fresh u"), (5, "5 steps, fresh u")):
        scaled, _ = normalise(weight, torch.randn(32), steps)
        ratios[name].append((weight[0, 0] / scaled[0, 0] / truth).item())
for name, values in ratios.items():
    plt.plot(values, label=name)
plt.xlabel("round")
plt.ylabel("estimate / truth")
plt.legend()
plt.show()
### END SOLUTION

# %% [markdown]
# <details><summary>How the answer is marked</summary>
#
# 1 point: the figure has three lines that can be told apart, and labelled axes. 1 point: it is said which estimate
# one would take, with a number read from the figure. 1 point: it is explained *why* keeping `u` helps, with the
# word "direction" or a better one. 1 point: a case is named in which one step would *not* be enough.
#
# </details>

# %% [markdown] nbgrader={"grade": true, "grade_id": "w01-4", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### Your answer 01.4
#
# ### BEGIN SOLUTION
# With the kept `u` one step stays within about 1 % of the truth after ten rounds, since the strongest direction of
# the weight turns slowly and `u` only has to follow it: the work of many steps is spread over many rounds. From a
# fresh `u` one step finds three quarters of the truth and five steps about 95 %. One step would not be enough if
# the weight jumped, as it does at a large learning rate, or where the two largest singular values are nearly equal
# and the direction changes from one to the other.
# ### END SOLUTION

# %% [markdown]
# ## 01.5 An open extension
#
# Take chapter 01's small critic, put *your* `normalise` into every layer, and train it on the digits. Compare its
# slope at real pictures, measured with `torch.autograd.grad`, with that of a critic without it, over the rounds. Or:
# bound the slope by 2, or by 0.5. What happens to the pictures? There is no right answer here; there is a
# figure that nobody has drawn before.
