# %% [markdown]
# # Assignment 02: how wide is a sentence?
#
# BADGE
#
# **The question.** "A red house on the grass" fits many pictures. StackGAN therefore makes of a sentence not one
# code but a *cloud* of codes. How wide should the cloud be, and who decides? You will build conditioning
# augmentation, with the loss that keeps the cloud from shrinking, and then measure the clouds of a trained painter.
#
# | part | what | points |
# |---|---|---|
# | 02.1 | the block, with the noise given | 2 |
# | 02.2 | many codes of one sentence, and their gradients | 3 |
# | 02.3 | the divergence from the normal distribution | 3 |
# | 02.4 | an experiment with a figure, and an answer in words | 4 |
# | 02.5 | an open extension | for the joy of it |
#
# **You will be able to** write the reparametrisation trick and say why it is needed; derive what pulls a cloud
# together and what pushes it apart; and judge from two numbers whether a painter's clouds overlap.
#
# **Time:** 60 to 90 minutes. **You need** chapter 02, section 4. Hints unfold when you click on them; try first.
# Every `check` tries your function with fresh random inputs. Marks come from other tests, with other inputs; while
# these run, `course_lib` is not there: write with torch alone.

# %% tags=["colab-setup"]
# SETUP

# %%
import torch
import torch.nn.functional as F

from course_lib.grading import check

# %% [markdown]
# ## 02.1 The block (2 points)
#
# One linear layer reads the embedding $\varphi$ and says two things about every number of the code: its mean $\mu$,
# and the *logarithm of its variance*, $\log\sigma^2$. The code is then
#
# $$c = \mu + \sigma \odot \epsilon, \qquad \epsilon \sim \mathcal N(0, I)$$
#
# Write it with the noise `epsilon` given. `weight` is `[2 D, T]`, `bias` `[2 D]`; the first `D` outputs are $\mu$,
# the others $\log\sigma^2$. Return `c`, `mu` and `logvar`. No ReLU: this is the course's version, not the published one.
#
# <details><summary>Hint 1: a linear layer without a module</summary>
#
# `F.linear(x, weight, bias)` is $x W^\top + b$; `x.chunk(2, dim=1)` cuts in two halves.
#
# </details>
#
# <details><summary>Hint 2: from the log variance to sigma</summary>
#
# $\sigma = \sqrt{\sigma^2} = \exp(\tfrac12 \log\sigma^2)$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a02-1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def condition(embedding, weight, bias, epsilon):
    """[B, T], [2 D, T], [2 D] and [B, D] to c, mu and logvar, [B, D] each."""
    ### BEGIN SOLUTION
    mu, logvar = F.linear(embedding, weight, bias).chunk(2, dim=1)
    return mu + torch.exp(logvar / 2) * epsilon, mu, logvar
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q02-1", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("02.1", condition)
### BEGIN HIDDEN TESTS
import torch

from course_lib.grading import alike, hidden, parts, same
from course_lib.grading.checks.conditioning import augmented, cloud_layer, divergence


@hidden("02.1", condition)
def condition_equals_the_library(block, draw):
    """c, mu and logvar are those of the library's block"""
    inputs = cloud_layer(draw)
    came = parts(block(*inputs), 3, "c, mu and logvar")
    for name, one, right in zip(("c", "mu", "logvar"), came, augmented(*inputs), strict=True):
        same(one, right, name)


@hidden("02.1", condition)
def condition_without_noise_is_the_mean(block, draw):
    """without noise the code is mu, and twice the noise is twice as far from it"""
    embedding, weight, bias, epsilon = cloud_layer(draw)
    still, _, _ = parts(block(embedding, weight, bias, 0 * epsilon), 3, "c, mu and logvar")
    once, _, _ = parts(block(embedding, weight, bias, epsilon), 3, "c, mu and logvar")
    twice, _, _ = parts(block(embedding, weight, bias, 2 * epsilon), 3, "c, mu and logvar")
    right, mu, _ = augmented(embedding, weight, bias, epsilon)
    same(once, right, "c")
    same(still, mu, "c without noise")
    same(twice, 2 * right - mu, "c with twice the noise")


@hidden("02.1", condition)
def condition_lets_clouds_be_narrow(block, draw):
    """logvar may be below 0, and sigma below 1"""
    embedding, weight, bias, epsilon = cloud_layer(draw)
    inputs = embedding, weight, bias - 6, epsilon
    came = parts(block(*inputs), 3, "c, mu and logvar")
    same(came[2], augmented(*inputs)[2], "logvar of a narrow cloud")
    same(came[0], augmented(*inputs)[0], "c in a narrow cloud")


### END HIDDEN TESTS

# %% [markdown]
# ## 02.2 Many codes, and what learns from them (3 points)
#
# Now draw the noise yourself. `codes(mu, logvar, count)` returns `count` codes for each caption, `[count, B, D]`:
# every call, every caption and every number with noise of its own. And the slope of a code must reach `mu` *and*
# `logvar`: that is the whole point of writing $\mu + \sigma\epsilon$ instead of asking a random generator for
# $\mathcal N(\mu, \sigma^2)$, through which no gradient goes. This is the **reparametrisation trick**.
#
# <details><summary>Hint 1: noise of the right shape</summary>
#
# `torch.randn(count, *mu.shape)`; then `mu` and `logvar` are broadcast along the first dimension.
#
# </details>
#
# <details><summary>Hint 2: the check says that the mean is right but the width is not</summary>
#
# A standard deviation is not a variance. Which of the two multiplies the noise?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a02-2", "locked": false, "schema_version": 3, "solution": true, "task": false}
def codes(mu, logvar, count):
    """[B, D] and [B, D] to [count, B, D]."""
    ### BEGIN SOLUTION
    epsilon = torch.randn(count, *mu.shape)
    return mu + torch.exp(logvar / 2) * epsilon
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q02-2", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("02.2", codes)


### BEGIN HIDDEN TESTS
def asked(function, mu, logvar, count):
    """Codes of the right shape and kind."""
    came = function(mu, logvar, count)
    alike(came, mu.expand(count, -1, -1), "the codes")
    return came


@hidden("02.2", codes)
def codes_are_as_wide_as_sigma(function, draw):
    """the standard deviation of many codes is sigma"""
    mu, logvar = draw.normal(2, 3), draw.uniform(-3, 3, 2, 3)
    spread = asked(function, mu, logvar, 20_000).std(dim=0)
    same(spread / (logvar / 2).exp(), torch.ones(2, 3), "their spread divided by sigma", close=0.06)


@hidden("02.2", codes)
def codes_lie_around_mu(function, draw):
    """the mean of many codes is mu"""
    mu, logvar = 3 * draw.normal(2, 3), torch.zeros(2, 3)
    mean = asked(function, mu, logvar, 20_000).mean(dim=0)
    same(mean - mu, torch.zeros(2, 3), "their mean minus mu", close=0.06)


@hidden("02.2", codes)
def codes_have_noise_of_their_own(function, draw):
    """captions, numbers and calls do not share their noise"""
    nothing = torch.zeros(3, 4)
    first, second = (asked(function, nothing, nothing, 5000).flatten(1) for _ in range(2))
    both = torch.cat([first, second], dim=1)
    same(torch.corrcoef(both.T), torch.eye(24), "the correlation of their noise", close=0.1)


@hidden("02.2", codes)
def codes_teach_mu(function, draw):
    """the slope of a code with respect to mu is 1"""
    mu, logvar = draw.normal(2, 3), draw.normal(2, 3)
    same(function.slope(mu, logvar, 5, of=0), torch.full((2, 3), 5.0), "the slope of 5 codes' sum")


@hidden("02.2", codes)
def codes_teach_logvar(function, draw):
    """the slope with respect to logvar is half of sigma times the noise"""
    mu, logvar = draw.normal(2, 200), draw.normal(2, 200)
    slope = function.slope(mu, logvar, 1, of=1)
    alike(slope, mu, "the slope")
    size = (slope / (logvar / 2).exp()).square().mean().sqrt()
    same(size, 0.5, "the typical slope with respect to logvar, divided by sigma", close=0.12)


### END HIDDEN TESTS

# %% [markdown]
# ## 02.3 What keeps the cloud open (3 points)
#
# A painter gets better at once if its clouds shrink to points: less noise, less to explain. Against that its loss
# has the **Kullback-Leibler divergence** of the cloud from the standard normal distribution, for every number of
# every code
#
# $$\tfrac12\big(\mu^2 + \sigma^2 - \log\sigma^2 - 1\big)$$
#
# and of these the mean. Write it with `mu` and `logvar`. Before you do: for which $\mu$ and $\sigma$ is it 0? What
# happens to it as $\sigma \to 0$?
#
# <details><summary>Hint</summary>
#
# $\sigma^2$ is `logvar.exp()`. Take the mean over *all* numbers, captions too: then the weight of this loss means the
# same for every batch size.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "a02-3", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl(mu, logvar):
    """[B, D] and [B, D] to a tensor without dimensions."""
    ### BEGIN SOLUTION
    return (mu.square() + logvar.exp() - logvar - 1).mean() / 2
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "q02-3", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("02.3", kl)


### BEGIN HIDDEN TESTS
@hidden("02.3", kl)
def kl_equals_torch(function, draw):
    """it is torch's divergence, whatever the shape"""
    shape = draw.whole(1, 4), draw.whole(2, 6)
    mu, logvar = draw.normal(*shape), draw.normal(*shape)
    same(function(mu, logvar), divergence(mu, logvar), "the divergence")


@hidden("02.3", kl)
def kl_is_zero_for_the_normal(function, draw):
    """it is 0 for mu = 0 and sigma = 1, and above 0 elsewhere"""
    nothing = torch.zeros(2, 5)
    same(function(nothing, nothing), 0.0, "the divergence of the normal distribution", close=1e-6)
    same(function(nothing, nothing - 1), divergence(nothing, nothing - 1), "that of a narrow cloud")


@hidden("02.3", kl)
def kl_pushes_the_right_way(function, draw):
    """its slope pulls mu towards 0, and logvar as well"""
    mu, logvar = draw.normal(2, 5), draw.normal(2, 5)
    same(function.slope(mu, logvar, of=0), mu / 10, "the slope with respect to mu")
    right = (logvar.exp() - 1) / 20
    same(function.slope(mu, logvar, of=1), right, "the slope with respect to logvar")


### END HIDDEN TESTS

# %% [markdown]
# ## 02.4 The clouds of a trained painter (4 points, marked by a person)
#
# A cloud is wide if it reaches its neighbours. The painter that ships with the course knows a few hundred kinds of
# sentences. Take at least twelve of them, ask its own `CA` for their $\mu$ and $\log\sigma^2$, and
# **draw a figure** that lets one compare two things: how far apart the means of *different* sentences lie, and how far a
# drawn code lies from its *own* mean. Histograms of both kinds of distances will do, or `plt.ecdf`; label the axes.
#
# Then multiply the noise by 4 or by 16. From where on do clouds overlap? Paint a picture there: what does it show?

# %% nbgrader={"grade": false, "grade_id": "e02", "locked": false, "schema_version": 3, "solution": true, "task": false}
import course_lib

painter = course_lib.load("stackgan")
sentences = [
    f"a {size} {colour} {thing} on the {ground}"
    for size in ("small", "large")
    for colour, thing in (("red", "house"), ("blue", "boat"), ("white", "sheep"))
    for ground in ("grass", "sand")
]
with torch.no_grad():
    _, mu, logvar = painter.stage_1.ca(painter.embed(*sentences))  # [12, D] each

### BEGIN SOLUTION
import matplotlib.pyplot as plt

between = torch.pdist(mu)
for strength in (1, 4, 16):
    within = (strength * (codes(mu, logvar, 50) - mu)).norm(dim=2).flatten()
    plt.ecdf(within.numpy(), label=f"within a cloud, noise x {strength}")
plt.ecdf(between.numpy(), color="black", label="between two sentences' means")
plt.xlabel("distance")
plt.ylabel("share of distances that are shorter")
plt.xscale("log")
plt.legend()
plt.show()
### END SOLUTION

# %% [markdown]
# <details><summary>How the answer is marked</summary>
#
# 1 point: the figure shows both kinds of distances, with labelled axes. 1 point: it is said, with numbers from the
# figure, whether the clouds overlap as they were trained. 1 point: it is explained what the divergence has to do with
# it. 1 point: something is said about a picture that was painted where clouds overlap, or where none is.
#
# </details>

# %% [markdown] nbgrader={"grade": true, "grade_id": "w02-4", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### Your answer 02.4
#
# ### BEGIN SOLUTION
# As trained, a code lies about 1 away from its own mean, and no two sentences are nearer than about 4: the clouds do
# not overlap, sentences stay apart, and the noise adds little. The divergence pushes sigma towards 1, but its weight is
# small beside what the painter gains from clear sentences. With 4 times the noise clouds reach the nearest sentences,
# which differ in the ground alone, and with 16 times most others. A picture painted there shows a mixture.
# ### END SOLUTION

# %% [markdown]
# ## 02.5 An open extension
#
# Walk in a straight line from the mean of one sentence to that of another, and paint ten pictures on the way. Is there
# a place where the thing changes, or does it melt? Do the same between two codes of *one* cloud. Or: train Stage I
# with ten times the weight of the divergence (`course train stackgan --stage 1 --kl 20`), and measure its clouds again.
