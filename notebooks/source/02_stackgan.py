# %% [markdown] tags=["slide"]
# # 02 StackGAN
#
# [![Open this chapter in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/one-scene/five-painters/blob/main/notebooks/02_stackgan.ipynb)
#
# **The question.** A painter that listens to a sentence is rewarded by a critic that listens, too. But
# a critic does only as much listening as it needs. So which words of your sentence does it hear?

# %% [markdown] tags=["slide"]
# ## What you will be able to do
#
# - paint a sentence of your own, and say which of its words the painter knows;
# - turn letters into 1,024 numbers, and those into a small cloud of codes (*conditioning augmentation*);
# - build Stage I and Stage II, and prove that yours equal the library's, and the library's the published;
# - find out what a discriminator hears, and make it hear more;
# - train both stages, stop, go on, and lose nothing;
# - measure whether the picture shows what the sentence says.
#
# **Time.** With profile `cpu` (the default) about 15 minutes on two CPU cores; with `smoke` half a
# minute, to see that all runs. Profiles `gpu` and `paper` train the paper's size on photographs of
# flowers. You need chapter 01, or its ideas: generator, discriminator, logit, round.

# %% [markdown]
# Run the next cell first. On Colab it fetches the course; elsewhere it only checks that this notebook
# runs in the right environment.

# %% tags=["colab-setup"]
# Set-up, the same in every chapter: fetches the course on Colab, checks the kernel elsewhere.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

if "google.colab" in sys.modules and find_spec("course_lib") is None:
    url = "https://github.com/one-scene/five-painters"
    course = Path.cwd() / "five-painters"
    if not course.exists():
        subprocess.run(["git", "clone", "-q", "--depth=1", url, course], check=True)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    lacks = ["jsonargparse", "lightning-utilities", "torchinfo", "torchmetrics"]
    subprocess.run([*install, *lacks, "--editable", course], check=True)
    sys.path.insert(0, str(course))  # for this kernel, which started before the installation

if find_spec("course_lib") is None or find_spec("torch") is None:
    raise ModuleNotFoundError(
        f"This notebook runs in {sys.executable}, which does not have the course. "
        "Choose the kernel of the course's .venv (`make lab` does), or type in the course's "
        f'folder:  "{sys.executable}" -m pip install -r requirements.txt -e .'
    )

# %% [markdown]
# These are the chapter's parameters. Change them here, or from outside:
# `course run 02 --profile smoke -p seed 3`.

# %% tags=["parameters"]
profile: str = ""  # smoke, cpu, gpu or paper; empty: COURSE_PROFILE, else cpu
seed: int = 0  # of weights, noise and the order of the data
rounds: int = 0  # of Stage I's training; 0: as many as the chapter plans for the profile

# %% [markdown]
# ## 1 Paint first
#
# "How do I generate from my own sentence?" is the first question that everybody asked the authors of
# this paper, for eight years. Here is the answer. **Change the sentence**, and run the cell again.

# %%
import course_lib

painter = course_lib.load("stackgan")

# %% alt="A picture painted from the sentence: a large red boat on the water"
painter.generate("a large red boat on the water", seed=7)

# %% [markdown]
# It has learnt a small language from the captions of Storybook, the course's own world. These are its
# words, the most frequent ones first:

# %%
print(", ".join(painter.encoder.vocabulary.words))

# %% [markdown]
# What about words that it has never met? It reads letter by letter, so it never stumbles, but it may
# not know what you mean. It says so, and you get a picture all the same:

# %%
for note in painter.understand("a crimson hous on the sand, with an elephant").notes:
    print(note)

# %% [markdown] tags=["slide"]
# One picture proves little. So here are four sentences, a row each, with eight draws of noise that
# nobody selected. What the sentence says should stay the same within a row, what it leaves open should
# not. Where does the painter fail? (Rows: a red house on the sand; a blue boat on the water; a yellow
# flower on the grass; a white balloon in the sky.)

# %% tags=["slide"] alt="Four rows of eight pictures, one row for each sentence, unselected, eight draws of noise"
import torch
import torch.nn.functional as F

from course_lib.painter import Picture, grid


def sheet(pictures, columns=8):
    """Many pictures at once, at 64 x 64 pixels each."""
    return Picture(grid(F.interpolate(pictures, size=(64, 64), mode="area"), columns))


def paintings(sentence, seeds=range(8)):
    """Pictures of one sentence, one for each seed."""
    embeddings = painter.embed(sentence).repeat(len(seeds), 1)  # [N, 1024]
    return list(painter.paint(embeddings, seeds).values())[-1]  # the last stage's: [N, 3, H, W]


SENTENCES = [
    "a red house on the sand",
    "a blue boat on the water",
    "a yellow flower on the grass",
    "a white balloon in the sky",
]
sheet(torch.cat([paintings(sentence) for sentence in SENTENCES]))

# %% [markdown] tags=["slide"]
# ## 2 What it learns from
#
# Storybook draws scenes and *knows* what it has drawn, so its captions are true. For this chapter every
# scene has one thing. Each scene comes with several captions, some short, some talkative.

# %%
from course_lib.data.storybook import Storybook
from course_lib.widgets import need

need(Picture="1 Paint first")
world = Storybook(size=64, things=(1, 1))
scenes = world.batch(torch.arange(32))
for captions in scenes.captions[:3]:
    print("\n".join(captions), end="\n\n")

# %% tags=["slide"] alt="Four rows of eight Storybook scenes with one thing each: houses, boats, trees, animals"
Picture(grid(scenes.images))

# %% [markdown] tags=["slide"]
# **Think first.** One of the captions above may say no more than a thing and a colour. How many
# different pictures would be *right* for it? And what will a network do that is trained to give one
# answer?
#
# <details><summary>Answer</summary>
#
# Infinitely many. A network trained to come close to all of them (by squared error, say) would paint
# their mean, a fog. A GAN is asked only to paint one that *could* be right, and the noise decides which.
#
# </details>

# %% [markdown]
# ## 3 A sentence becomes 1,024 numbers
#
# Networks eat numbers. The paper borrows its reader from Reed et al. (2016): a **char-CNN-RNN**. Letters
# go in, one by one; convolutions over letters find syllables and words; a recurrent network reads what
# they found from left to right; the mean of its states becomes 1,024 numbers, the **embedding**
# $\varphi(t)$ of the text $t$.

# %% tags=["nbval-check-output"]
from course_lib.text.encoder import ALPHABET, letters
from course_lib.widgets import need

need(painter="1 Paint first", scenes="2 What it learns from")
places = letters(["A red house"])
print("letters:  ", tuple(places.shape), "of which the first are", places[0, :11].tolist())
print("alphabet: ", len(ALPHABET), "signs; -1 is nothing, at the end")
print("embedding:", tuple(painter.embed("a red house").shape))

# %% [markdown] tags=["slide"]
# Are embeddings of similar sentences similar? Here is the cosine of the angle between each two of nine.
# Yellow is "the same direction". Which word moves an embedding most: the colour, the thing, or the
# ground?

# %% tags=["slide"] alt="Heat map of nine by nine cosines; sentences that share a thing or a colour are more alike"
import matplotlib.pyplot as plt

things = ("house on the sand", "house on the snow", "boat on the water")
nine = [f"a {colour} {thing}" for thing in things for colour in ("red", "pink", "blue")]
directions = F.normalize(painter.embed(*nine), dim=1)  # [9, 1024], of length 1
figure, axes = plt.subplots(figsize=(6.4, 3.6), dpi=80, layout="constrained")
axes.imshow(directions @ directions.T, vmin=-1, vmax=1)
axes.set(xticks=[], yticks=range(9), yticklabels=nine)
bar = figure.colorbar(axes.images[0], label="cosine")

# %% [markdown] tags=["slide"]
# Sand and snow are nearly the same to it, red and pink are neighbours, red and blue are strangers. Why? A
# word matters to this reader only as far as it can be *seen*: it was taught by pictures.
#
# How does a reader learn to read? By agreeing with somebody who *looks*. A second network turns the
# picture $v$ into 1,024 numbers $\theta(v)$, and $F(v,t)=\theta(v)\cdot\varphi(t)$ says how well the two
# agree. The **structured joint embedding** loss asks that a picture agrees with its own caption by 1 more
# than with anybody else's, and a caption likewise:
#
# $$\max\big(0,\;1 + F(v,t') - F(v,t)\big) \;+\; \max\big(0,\;1 + F(v',t) - F(v,t)\big)$$


# %% tags=["nbval-check-output"]
def joint_embedding(seen, said):
    agree = seen @ said.T  # F, [B, B]: pictures down, captions across
    own = agree.diagonal()
    other = ~torch.eye(len(agree), dtype=torch.bool)
    wrong_caption = (1 + agree - own[:, None]).clamp(min=0)[other].mean()
    wrong_picture = (1 + agree - own[None, :]).clamp(min=0)[other].mean()
    return wrong_caption + wrong_picture


from course_lib.text.objective import joint_embedding_loss

torch.manual_seed(0)
seen, said = torch.randn(2, 6, 16)
same = torch.eye(6, dtype=torch.bool)  # no two captions say the same
torch.testing.assert_close(joint_embedding(seen, said), joint_embedding_loss(seen, said, same))
print("your loss = the library's")

# %% [markdown]
# The library's reader was trained with it for five minutes, on a single core, at the end also with captions
# that are wrong in a single word: without those it had grown deaf to the ground, since pictures of a batch can
# be told apart by thing and colour. It is small, and it ships with the painter; `course train text` trains
# another. The reader of the paper had more to read, about flowers and birds; its embeddings have 1,024 numbers
# as well, so that networks for one fit the other.

# %% [markdown] tags=["slide"]
# ## 4 One sentence, a cloud of codes
#
# A few thousand sentences are few points in a space of 1,024 dimensions. Between them lies emptiness,
# and who knows what G would paint there? The paper's answer is **conditioning augmentation**: of the
# embedding, make not a code but a *distribution* of codes, and draw from it each time anew:
#
# $$c = \mu(\varphi(t)) + \sigma(\varphi(t)) \odot \epsilon, \qquad \epsilon \sim \mathcal N(0, I)$$
#
# Clouds overlap where points do not. And since one sentence fits many pictures, it is right that it has
# many codes.


# %% tags=["nbval-check-output"]
from torch import nn

from course_lib.widgets import need

need(plt="3 A sentence becomes 1,024 numbers")


class YourCA(nn.Module):
    def __init__(self, text_dim, embed_dim):
        super().__init__()
        self.linear = nn.Linear(text_dim, 2 * embed_dim)

    def forward(self, embedding, epsilon):
        mu, logvar = self.linear(embedding).chunk(2, dim=1)  # [B, embed_dim] each
        return mu + torch.exp(logvar / 2) * epsilon, mu, logvar


from course_lib.stackgan.networks import CA

torch.manual_seed(0)
yours, theirs = YourCA(1024, 64), CA(1024, 64, rectified=False)
theirs.load_state_dict(yours.state_dict())
embedding, epsilon = torch.randn(5, 1024), torch.randn(5, 64)
for a, b in zip(yours(embedding, epsilon), theirs(embedding, epsilon), strict=True):
    torch.testing.assert_close(a, b)
print("your conditioning augmentation = the library's")

# %% [markdown] tags=["slide"]
# Why the *logarithm* of the variance? A network's output can be any number; a variance must be
# positive. $\exp$ sees to that.
#
# Nothing so far keeps $\sigma$ from shrinking to 0, and then the cloud is a point again. So G's loss has
# one more term, the **Kullback-Leibler divergence** of the cloud from the standard normal distribution:
#
# $$\mathrm{KL}\big(\mathcal N(\mu,\sigma^2)\,\|\,\mathcal N(0,1)\big) = \tfrac12\big(\mu^2 + \sigma^2 - \log\sigma^2 - 1\big)$$
#
# **Your turn.** Write it with `mu` and `logvar`, as the mean over all numbers. torch knows the answer.

# %%
from torch.distributions import Normal, kl_divergence

from course_lib.widgets import your_turn


def kl(mu, logvar):
    return ...


mu, logvar = torch.randn(2, 5, 64)
exact = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).mean()
your_turn(kl(mu, logvar), exact, hint="sigma squared is logvar.exp()")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `return (mu.square() + logvar.exp() - logvar - 1).mean() / 2`
#
# </details>
#
# Now take hold of the cloud. The slider multiplies $\epsilon$: 0 paints the middle of the cloud, 1 is what
# training used, and beyond that you walk out of it. (Without a live kernel you see a still picture.)

# %%
from course_lib.widgets import caption_panel

panel = caption_panel(painter, "a large red boat on the water")
panel

# %% [markdown]
# From Python it is `panel.set(augment=40, seed=3)`. Below, from left to right, $\epsilon$ is multiplied by
# 0, 8, 16, 32 and 64; each row is one seed. This painter's cloud is small, so 8 changes hardly anything.
# Which words are lost first?

# %% alt="Two rows of five: the noise of the caption's code grows to the right, and the thing dissolves"
rows = []
for one_seed in range(2):
    for strength in (0.0, 8.0, 16.0, 32.0, 64.0):
        steps = painter.paint(painter.embed(SENTENCES[0]), [one_seed], augment=strength)
        rows.append(steps["stage_1"])
Picture(grid(torch.cat(rows), columns=5))

# %% [markdown]
# ### An odd layer, and what it costs
#
# In the published program a **ReLU** follows the linear layer, over mean *and* log variance. Then
# $\log\sigma^2 \ge 0$, so $\sigma \ge 1$, always. Is that much? It depends on how far apart the sentences'
# means lie: a cloud is wide if it covers its neighbours. Here are both, before training and after.

# %%
from course_lib.stackgan.networks import initialise

before = {
    "published, before training": CA(1024, 64).apply(initialise),
    "ours, before training": CA(1024, 64, rectified=False, logvar=-4.0).apply(initialise),
    "ours, trained": painter.stage_1.ca,
}
some = painter.embed(*[captions[0] for captions in scenes.captions])
for name, ca in before.items():
    with torch.no_grad():
        _, mu, logvar = ca(some)
    sigma = (logvar / 2).exp().mean()
    print(f"{name:27} means apart by {mu.std(dim=0).mean():.2f}, sigma {sigma:.2f}")

# %% [markdown]
# At first all sentences are nearly the same to G, and the published noise drowns what difference there is: the
# code says next to nothing, so D has nothing to reward. Ours begins with a whisper of noise and may grow it.
# Once trained, the means lie far apart, and there is room for larger clouds. The ReLU is a switch in the
# library: `rectified=True` is the published layer, and the default.

# %% [markdown] tags=["slide"]
# ## 5 Stage I: the sketch
#
# Why two stages? A GAN that paints 256 x 256 pixels at once has too much to learn at once, and had failed.
# Painters sketch first. **Stage I** paints 64 x 64: shapes, colours, ground. **Stage II** takes the sketch
# *and the sentence again*, mends and adds detail.
#
# Stage I: code $c$ and noise $z$, one linear layer to a 4 x 4 map, and then doublings. DCGAN doubled with a
# transposed convolution. Here every pixel is repeated, and an ordinary 3 x 3 convolution follows: no
# checkerboards.

# %% tags=["nbval-check-output"]
from course_lib.widgets import need

need(CA="4 One sentence, a cloud of codes")


def doubling(wide, narrow):
    return nn.Sequential(
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.Conv2d(wide, narrow, 3, padding=1),
        nn.BatchNorm2d(narrow),
        nn.ReLU(),
    )


class Sketcher(nn.Module):
    def __init__(self, text_dim=12, embed_dim=8, z_dim=4, width=64):
        super().__init__()
        self.ca, self.width = YourCA(text_dim, embed_dim), width
        self.start = nn.Sequential(
            nn.Linear(embed_dim + z_dim, 16 * width), nn.BatchNorm1d(16 * width), nn.ReLU()
        )
        self.doublings = nn.ModuleList(doubling(width >> k, width >> k + 1) for k in range(3))
        last = nn.Conv2d(width >> 3, 3, 3, padding=1)
        self.to_picture = nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), last, nn.Tanh())

    def forward(self, embedding, z, epsilon):
        c, mu, logvar = self.ca(embedding, epsilon)
        x = self.start(torch.cat([c, z], dim=1)).view(-1, self.width, 4, 4)
        for layer in self.doublings:
            x = layer(x)
        return self.to_picture(x), mu, logvar


x = torch.randn(2, 64, 4, 4)
mine = Sketcher()
print(tuple(x.shape))
for layer in [*mine.doublings, mine.to_picture]:
    x = layer(x)
    print(tuple(x.shape))

# %% [markdown]
# And the proof: the same weights, the same picture. (Both list their weights in the order of use, so they
# can be handed over one by one.)

# %% tags=["nbval-check-output"]
from course_lib.stackgan.networks import StageOne

theirs = StageOne(12, 8, 4, width=64, rectified=False, norm_last=False)
for own, other in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True):
    own.copy_(other)
given = torch.randn(6, 12), torch.randn(6, 4), torch.randn(6, 8)
torch.testing.assert_close(mine(*given)[0], theirs(*given)[0])
print("your Stage I = the library's")

# %% [markdown]
# ### Faster, and exactly the same
#
# After doubling by repetition, the nine taps of the kernel fall on only *four* different pixels. In one
# dimension the taps $(a, b, c)$ see $x_0\,x_0\,x_1\,x_1$: an even pixel is $a\,x_{i-1} + (b + c)\,x_i$, an odd
# one $(a + b)\,x_i + c\,x_{i+1}$. Adding taps first saves more than half of the multiplications, and the
# whole is one transposed convolution whose kernel, 4 x 4, holds the sums.

# %% tags=["nbval-check-output"]
from course_lib.nn.upsample import as_one, doubling_kernel

layer, x = nn.Conv2d(32, 16, 3, padding=1), torch.randn(8, 32, 16, 16)
plain = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
torch.testing.assert_close(as_one(layer, x), plain, rtol=1e-5, atol=1e-5)
row = torch.tensor([[1.0, 10.0, 100.0]] * 3)[None, None]  # a, b, c
print("a, b, c = 1, 10, 100 becomes", doubling_kernel(row)[0, 0, 0].int().tolist())

# %%
import time

for name, form in {
    "two layers": lambda: layer(F.interpolate(x, scale_factor=2, mode="nearest")),
    "as one": lambda: as_one(layer, x),
}.items():
    start = time.perf_counter()
    for _ in range(20):
        form().square().mean().backward()
    print(f"{name:11} {(time.perf_counter() - start) * 50:5.1f} ms, forward and backward")

# %% [markdown]
# The library takes this short cut by itself where it pays (maps of 512 pixels and more in a batch, on a
# CPU), and where nobody is watching the two layers: a summary still shows both.
#
# ### Is it the published network?
#
# The paper leaves layers open. A published program fills them in, and prints tables of every layer. Ours is
# that network: the same rows in the same order, the same shapes, the same parameters. Count them:
# 26,664,809.

# %% tags=["nbval-check-output"]
from torchinfo import summary

published = StageOne()  # the defaults
given = [torch.zeros(1, 1024), torch.zeros(1, 100)]
columns = ("output_size", "num_params")
table = summary(
    published, input_data=given, col_names=columns, mode="eval", device="cpu", verbose=0
)
print(str(table).split("Total mult-adds")[0])

# %% [markdown]
# Odd layers stay in, named as such: the ReLU in `CA` (`2-2`), and a batch norm right before the tanh
# (`1-19`), which forces the same mean and contrast on every batch of pictures.
#
# The published tables end in lines on multiplications and megabytes, and those differ from today's
# torchinfo. Not the network is different, the *counting* is. The tables were printed by an older tool:

# %% tags=["nbval-check-output"]
from course_lib.stackgan.counting import published_counts

counts = published_counts(published, (1024,), (100,))
print(
    f"multiplications   {counts.mult_adds / 1e9:.2f} G, torchinfo {table.total_mult_adds / 1e9:.2f} G"
)
print(f"input             {counts.input_mb:.2f} MB, torchinfo {table.total_input / 1e6:.2f}")
print(
    f"forward, backward {counts.passes_mb:.2f} MB, torchinfo {table.total_output_bytes / 1e6:.2f}"
)
print(f"parameters        {counts.params_mb:.2f} MB, torchinfo {table.total_param_bytes / 1e6:.2f}")

# %% [markdown]
# | | the published tables | torchinfo today |
# |---|---|---|
# | multiplications | of one sample; no biases; batch norm once, whatever the map's size; the weights in `CA`, `EmbedComp` and `ResBlock` once more | of the whole batch; biases, too; every layer once |
# | input | the *first* tensor alone, with the batch of 64 | all tensors |
# | forward, backward | one sample | the whole batch |
# | a megabyte | 1,048,576 bytes | 1,000,000 bytes |
#
# So its "estimated total" adds a batch of 64 to the activations of a single sample. A figure may be printed
# to two decimals and still mean little.

# %% [markdown] tags=["slide"]
# ## 6 What does D hear?
#
# D sees a picture *and* gets the sentence. What should it say? In a plain conditional GAN it learns "real
# and right" against "fake". Then it can ignore the sentence altogether: a fake gives itself away by its
# looks. So D gets a third kind of pair, a **real picture with a wrong sentence**:
#
# | picture | sentence | D should say |
# |---|---|---|
# | real | its own | 1 |
# | real | a wrong one | 0 |
# | fake | the one it was painted from | 0 |
#
# This is the *matching-aware* discriminator. **Your turn**: its loss, from logits, with `F.softplus`, as in
# chapter 01. The two kinds of 0 share the weight of the one kind of 1.

# %%
from course_lib.stackgan.objective import matching_aware
from course_lib.widgets import need

need(profile="What you will be able to do", StageOne="5 Stage I: the sketch")
right, wrong, fake = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))


def your_d_loss(right, wrong, fake):
    return ...


your_turn(
    your_d_loss(right, wrong, fake),
    matching_aware(right, [wrong], fake),
    hint="1 is wanted for right alone",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# `return F.softplus(-right).mean() + (F.softplus(wrong).mean() + F.softplus(fake).mean()) / 2`
#
# </details>
#
# In the network, D *looks* first and *compares* afterwards: convolutions down to a 4 x 4 map, then the
# sentence's numbers, compressed and laid under every place of that map, and a 1 x 1 convolution that sees
# both. So it looks once, and can compare what it saw with several sentences:

# %% tags=["nbval-check-output"]
from course_lib.stackgan.networks import Discriminator

torch.manual_seed(0)
d = Discriminator(norm=False)
picture, text = torch.randn(2, 3, 64, 64), torch.randn(2, 1024)
seen = d.look(picture)
heard = d.compress(text)
print("seen", tuple(seen.shape), "heard", tuple(heard.shape))
torch.testing.assert_close(d.compare(seen, text).flatten(), d.logits(picture, text))
torch.testing.assert_close(d.logits(picture, text).sigmoid(), d(picture, text))

# %% [markdown] tags=["slide"]
# ### The experiment
#
# *Which* wrong sentence? The usual choice is somebody else's: shuffle the captions. **Think first.** Take two
# scenes at random. How often do they differ in colour? In the ground? What does D have to look at in order to
# reject the wrong caption?
#
# Let us ask D. No generator: D alone, on real pictures, right against wrong sentences. Once the wrong ones are
# somebody else's, once they are *its own with one word exchanged*, once both.

# %%
from course_lib.profile import pick_profile
from course_lib.text.vocabulary import swapped

profile = pick_profile(profile)
pages, steps = (40, 3) if profile == "smoke" else (4000, 700)
small = Storybook(size=32, things=(1, 1))
pool = small.batch(torch.arange(pages))
captions = [several[0] for several in pool.captions]
words = painter.encoder.vocabulary
near = [swapped(c, words, x) for c, x in zip(captions, torch.rand(pages).tolist(), strict=True)]
own, exchanged = painter.embed(*captions), painter.embed(*near)  # [pages, 1024] each
for caption, other in zip(captions[:4], near, strict=False):
    print(f"{caption}\n   -> {other}")

# %% [markdown]
# Which words may stand for each other, nobody told the library: those that stood in the same place of two
# captions that are otherwise the same, and behind the same word. Now and then nonsense comes out. It is just as
# wrong.

# %%
WRONG = {
    "somebody else's": lambda some: [own[some.roll(1)]],
    "one word exchanged": lambda some: [exchanged[some]],
    "both": lambda some: [own[some.roll(1)], exchanged[some]],
}


def listen(wrong, steps):
    """D alone, trained to tell right captions from wrong ones."""
    torch.manual_seed(seed)
    d = Discriminator(embed_dim=64, width=96, size=32, norm=False)
    adam = torch.optim.Adam(d.parameters(), 1.5e-3, (0.0, 0.99))
    for _ in range(steps):
        some = torch.randint(pages, (32,))
        seen = d.look(pool.images[some])
        others = [F.softplus(d.compare(seen, text)).mean() for text in wrong(some)]
        loss = F.softplus(-d.compare(seen, own[some])).mean() + sum(others) / len(others)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return d.eval()


ears = {name: listen(wrong, steps) for name, wrong in WRONG.items()}

# %% [markdown] tags=["slide"]
# Now the hearing test, on pages that nobody was trained on: a picture, its caption, and the caption with
# *only* the thing (or the colour, or the ground) changed. How often does D prefer the right one? Guessing
# gives one half.

# %%
import random
import re

from course_lib.metrics.one_thing import NAMED, named


def changed(caption, place, dice):
    """The caption with another thing (place 0), colour (1) or ground (2)."""
    word = named(caption)[place]
    other = dice.choice([w for w in choices[place] if w != word])
    text = re.sub(rf"\b{word}\b", other, caption, count=1)
    return re.sub(r"\ban? (?=(.))", lambda m: "an " if m[1] in "aeiou" else "a ", text)


choices = [sorted({named(c)[k] for c in captions} - {""}) for k in range(3)]
exam = small.batch(torch.arange(90_000, 90_000 + max(50, pages // 8)))
heard, dice = {}, random.Random(0)
for place, what in enumerate(NAMED):
    said = [several[0] for several in exam.captions]
    asked = [k for k, caption in enumerate(said) if named(caption)[place]]
    right = painter.embed(*[said[k] for k in asked])
    wrong = painter.embed(*[changed(said[k], place, dice) for k in asked])
    for name, d in ears.items():
        with torch.no_grad():
            seen = d.look(exam.images[asked])
            better = d.compare(seen, right) > d.compare(seen, wrong)
        heard[name, what] = better.float().mean().item()

# %% tags=["slide"] alt="Bars: share of right answers for thing, colour and ground, for three kinds of wrong captions"
figure, axes = plt.subplots(figsize=(6.4, 2.6), dpi=80, layout="constrained")
for number, name in enumerate(WRONG):
    values = [heard[name, what] for what in NAMED]
    axes.bar([k + 0.27 * (number - 1) for k in range(3)], values, 0.25, label=name)
axes.axhline(0.5, color="grey", linewidth=1)
axes.set(xticks=range(3), xticklabels=NAMED, ylabel="prefers the right caption", ylim=(0.4, 1))
axes.spines[["top", "right"]].set_visible(False)
legend = figure.legend(frameon=False, loc="outside upper left", ncols=3)

# %% [markdown]
# <details><summary>What happened?</summary>
#
# With somebody else's captions, D knows colours almost perfectly and things well, but of grounds it prefers the
# right one in about six cases of ten, and five would be guessing. Two captions drawn at random nearly always
# differ in the thing (there are seventeen) or in the colour (eight), so nobody ever needed the ground. D is not
# deaf; it was not asked. A G that is trained by this D gets no reward for the right ground, however long it
# trains.
#
# With one exchanged word the ground is sometimes the *only* difference, and D hears it: eight of ten. The price
# is that colours take longer, since fewer of the wrong captions are about them. Both kinds together have nearly
# the best of each. That is how the painter of section 1 was trained: a third of its wrong captions were somebody
# else's, the others had a word exchanged, the thing (whose shape takes longest) twice as often as colour or ground.
#
# Which word is not heard depends on the world. Where all things are small, and grounds fill the picture, it is
# the thing.
#
# </details>

# %% [markdown]
# ## 7 Training Stage I
#
# One round, as the library plays it. Read it aloud: D on its three kinds of pairs, then G, who wants to
# convince D and keep its clouds near the standard normal.

# %%
import inspect

from course_lib.stackgan.objective import StackGANObjective
from course_lib.widgets import need

need(heard="6 What does D hear?")
print(inspect.getsource(StackGANObjective.round))

# %% [markdown]
# Now train one yourself. For profile `cpu` the chapter plans 32 x 32 pixels and a few minutes: enough to see
# colours and outlines appear, and to watch D begin to hear. (The output kept here is from running the cell a
# second time, when all rounds were played.) The painter of section 1 had 64 x 64 pixels and many
# more rounds.

# %% alt="The last sample grid of Stage I: eight rows, one caption each, with eight draws of noise"
from course_lib.paths import runs_dir
from course_lib.registry import wing
from course_lib.training import train

plan = {"size": 32, "rounds": 2000, "sample_every": 500} if profile == "cpu" else {}
chosen = {"seed": seed, **plan, **({"rounds": rounds} if rounds else {})}
config = course_lib.configure("stackgan", profile, chosen)
source = wing("stackgan").source(config)
folder = runs_dir() / f"02-{profile}-{seed}-stage1"
history = train(StackGANObjective(config), source, folder)

# %% [markdown] tags=["slide"]
# The losses, D's and G's, and below them something better to watch: how often D prefers the right caption to
# the wrong ones. When that line leaves one half, D has begun to hear.

# %% tags=["slide"] alt="Losses of Stage I over the rounds: D's falls slowly, G's rises, as in chapter 01"
history.plot("D", "G")

# %% tags=["slide"] alt="Share of wrong captions that D rejects, over the rounds: it rises from one half"
history.plot("D.heard")

# %% [markdown]
# ### Stop, and go on
#
# A run of six rounds in one go, and one that stops after three and goes on: the same losses, to the last
# bit. Everything that the next round depends on is in the checkpoint: weights, both optimisers, the
# averages, the state of chance, the place in the data.

# %%
import tempfile

with tempfile.TemporaryDirectory() as place:
    runs = {}
    for name, stops in {"in one go": [6], "stopped and resumed": [3, 6]}.items():
        for stop in stops:
            tiny = course_lib.configure("stackgan", "smoke", {"rounds": stop, "device": "cpu"})
            data = wing("stackgan").source(tiny)
            runs[name] = train(StackGANObjective(tiny), data, f"{place}/{name}", show=False)
assert runs["in one go"]["G"] == runs["stopped and resumed"]["G"]
assert runs["in one go"]["D"] == runs["stopped and resumed"]["D"]
print("six rounds = three rounds, a stop, and three more")

# %% [markdown] tags=["slide"]
# So you may stop the long cell above with the stop button whenever you like, and run it again tomorrow.
#
# ## 8 Stage II: the painting
#
# Stage II is a generator whose noise is a *picture*. It encodes the sketch down to 16 x 16, lays the
# sentence's code (read anew, with a cloud of its own) under every place, thinks in residual blocks, and
# paints at four times the side. A **residual block** adds what it finds to what is there, so that doing
# nothing is easy: most of the sketch is right.


# %% tags=["nbval-check-output"]
from course_lib.stackgan.networks import ResBlock
from course_lib.widgets import need

need(folder="7 Training Stage I")


class YourResBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        change = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (x + change).relu()


yours, theirs = YourResBlock(8), ResBlock(8)
yours.load_state_dict(theirs.state_dict())
x = torch.randn(4, 8, 16, 16)
torch.testing.assert_close(yours(x), theirs(x))
print("your residual block = the library's")

# %% [markdown] tags=["slide"]
# Stage I is frozen now. The painter of section 1 has both stages, and so far you saw what the second one
# made. Here are its sketches, enlarged, and below them the paintings, of 128 x 128 pixels. What does Stage II
# mend? What does it leave as it is, although it is wrong?

# %% tags=["slide"] alt="Two rows of four: sketches of Stage I above, and below what Stage II painted over them"
pairs = []
for sentence in SENTENCES:
    steps = painter.paint(painter.embed(sentence), [3])
    large = steps["stage_2"]
    sketch = F.interpolate(steps["stage_1"], size=large.shape[-2:], mode="nearest")
    pairs.append((sketch, large))
Picture(grid(torch.cat([s for s, _ in pairs] + [p for _, p in pairs]), columns=4))

# %% [markdown] tags=["slide"]
# ### Two short cuts
#
# The published Stage II paints anew, so it must first learn to copy: what the sketch has right goes through a
# map of 16 x 16 and has to come out again. With days of training that is no matter. With minutes it is: our
# first small Stage II drew frayed outlines, and the judges found *fewer* things in its paintings than in the
# sketches it was given. Two switches of the library helped:
#
# - `residual`: it paints *on* the enlarged sketch, $\tanh(\operatorname{artanh}(s) + F(s, c))$, and $F$ begins as
#   0. Doing nothing is then the start, not the lesson.
# - `mending`: D alone says only "not real", in a thousand ways. So Stage II also gets *real* pictures that were
#   made worn, shrunk and washed out, and shall make them good again: there the right answer is known.
#
# Above are pages, below the same pages worn.

# %% tags=["slide"] alt="Above eight pages of Storybook, below the same eight at half the side, most of them washed out"
from course_lib.stackgan.objective import worn

eight = scenes.images[:8]  # [8, 3, 64, 64]
below = F.interpolate(worn(eight, 32), size=(64, 64), mode="nearest")
Picture(grid(torch.cat([eight, below])))

# %% [markdown]
# Train a small Stage II on top of *your* Stage I. It takes longer a round, four times the pixels, and few
# rounds show only the beginning. (With so few, the average must forget faster: `ema` is 0.98.)

# %% alt="Sample grid of Stage II on top of the small Stage I: eight rows, one caption each"
plan = {"size": 64, "sketch": 32, "rounds": 500, "sample_every": 100, "ema": 0.98}
plan = plan if profile == "cpu" else {}
chosen = {"seed": seed, "stage": 2, "stage_one": str(folder), **plan}
config_2 = course_lib.configure("stackgan", profile, chosen)
folder_2 = runs_dir() / f"02-{profile}-{seed}-stage2"
history_2 = train(StackGANObjective(config_2), wing("stackgan").source(config_2), folder_2)

# %% alt="Losses of Stage II over the rounds, D's and G's"
history_2.plot("D", "G")

# %% [markdown]
# G's loss stands so high because most of it is not D's: 200 times what it could not mend, and 50 times its
# distance to the sketch. With such weights D's opinion is one among three.
#
# **Think first.** In which of the two stages does D win more easily, and why?
#
# <details><summary>Answer</summary>
#
# In Stage II: fakes are larger, and every flaw of texture gives them away, while G starts from a sketch
# that is already about right in everything that the sentence says. That is why the paper trains the
# stages one after the other, and does not let Stage II's D loose on Stage I.
#
# </details>

# %% [markdown] tags=["slide"]
# ## 9 Between sentences, and calculating with them
#
# Embeddings are numbers, so between two of them lie others. The seed stays the same in each row, only the
# sentence moves. What changes smoothly, what jumps?

# %% tags=["slide"] alt="Three rows of eight steps from one sentence to another: colours blend, things change suddenly"
from course_lib.widgets import need

need(painter="1 Paint first")
ways = [
    ("a red house on the sand", "a blue house on the sand"),
    ("a yellow flower on the grass", "a yellow boat on the water"),
    ("a white balloon in the sky", "a purple lighthouse on the sand"),
]
sheet(torch.cat([painter.between(*way, count=8, seed=5) for way in ways]))

# %% [markdown] tags=["slide"]
# And one can *calculate*: take a red car, take away "red", add "green", all in the space of embeddings.
# If that lands at a green car, the reader has given colours a direction of their own, although nobody asked
# it to.
#
# $$\varphi(\text{red car}) - \varphi(\text{red house}) + \varphi(\text{green house}) \;\overset{?}{\approx}\; \varphi(\text{green car})$$

# %%
sums = {
    "a green car on the grass": (
        "a red car on the grass", "a red house on the grass", "a green house on the grass"),
    "a blue boat on the water": (
        "a blue house on the sand", "a red house on the sand", "a red boat on the water"),
    "a pink tree on the grass": (
        "a pink cat on the grass", "a white cat on the grass", "a white tree on the grass"),
}  # fmt: skip
computed = []
for target, (start, minus, plus) in sums.items():
    one, less, more, aim = painter.embed(start, minus, plus, target)
    computed.append(one - less + more)
    closest = torch.cosine_similarity(computed[-1], aim, dim=0)
    before = torch.cosine_similarity(one, aim, dim=0)
    print(f"{target:26} cosine {closest:.2f} (of the first summand alone {before:.2f})")

# %% tags=["slide"] alt="Three rows: four pictures from a computed embedding, and four from the sentence it stands for"
rows = []
for embedding, target in zip(computed, sums, strict=True):
    for text in (embedding[None], painter.embed(target)):
        rows.append(list(painter.paint(text.repeat(4, 1), range(4)).values())[-1])
sheet(torch.cat(rows))

# %% [markdown]
# **Your turn.** Find a sum that fails. (A hint: is there a direction for "large"? For "two"?)

# %% [markdown]
# ## 10 Measuring
#
# "It paints what I say" is a claim. Ours is tested by two judges that never train a painter: one finds things
# and reads the ground, the other names the thing and its colour. 300 captions that no painter has seen, one
# picture each. The **floor** are the same pictures with shuffled captions: what one gets by chance. The
# **ceiling** are the real pictures: what the judges can read at all.

# %%
from course_lib.metrics.one_thing import named_accuracy
from course_lib.widgets import need

need(profile="6 What does D hear?")
count = 50 if profile == "smoke" else 300
side = list(painter.paint(painter.embed("a red house"), [0]).values())[-1].shape[-1]
unseen = Storybook(size=side, things=(1, 1)).batch(torch.arange(95_000, 95_000 + count))
said = [several[0] for several in unseen.captions]
for stage, painted in painter.paint(painter.embed(*said), range(count)).items():
    print(stage)
    for name, score in named_accuracy(painted, unseen).items():
        low, high = score.interval
        print(f"  {name:7} {score.value:4.0%}  [{low:.0%}, {high:.0%}]  "
              f"floor {score.floor:.0%}, ceiling {score.ceiling:.0%}")  # fmt: skip

# %% [markdown] tags=["slide"]
# How did Stage I get there? During its training, on 200 other captions (each row is one painter on its way, and
# chance moves such a share by three or four points):
#
# | rounds | thing | colour | ground |
# |---|---|---|---|
# | 1,000 | 50 % | 50 % | 59 % |
# | 2,000 | 81 % | 86 % | 85 % |
# | 4,000 | 86 % | 98 % | 86 % |
# | 8,000 | 91 % | 93 % | 90 % |
# | 12,000 | 94 % | 98 % | 92 % |
#
# Look before you believe it. Eight of the captions, unselected, and their pictures:

# %% alt="Eight pictures painted from captions that were kept out of training"
sheet(painted[:8])

# %%
for number, caption in enumerate(said[:8], 1):
    print(f"{number:2} {caption}")

# %% [markdown] tags=["slide"]
# A last question to the painter: does *every* word count? Change one word, and see whether the picture
# changes in what that word names, with the same noise.

# %% tags=["slide"] alt="One row of six: the same sentence and noise, with the colour word exchanged from picture to picture"
colours = ("red", "orange", "yellow", "green", "blue", "purple")
row = [
    list(painter.paint(painter.embed(f"a {c} car on the grass"), [2]).values())[-1] for c in colours
]
sheet(torch.cat(row), columns=6)

# %% [markdown] tags=["slide"]
# ## 11 Break it
#
# A colleague's Stage I paints nothing but fog. She suspects her KL term, and shows you three versions, A, B and
# C. One is right. Find out which, without reading them.
#
# **A diagnosis that needs no GAN**: the KL is smallest, and 0, exactly where the cloud *is* standard normal.
# So let gradient descent run on the KL alone, from anywhere, and look where it ends.

# %%
from course_lib.widgets import need

need(kl="4 One sentence, a cloud of codes")
SUSPECTS = {
    "A": lambda mu, logvar: (mu.square() + logvar.exp() + logvar - 1).mean() / 2,
    "B": lambda mu, logvar: (mu.square() + logvar.exp() - logvar - 1).mean() / 2,
    "C": lambda mu, logvar: (mu.square() + logvar.exp() - (logvar / 2) - 1).mean() / 2,
}
for name, suspect in SUSPECTS.items():
    place = torch.tensor([1.5, -1.0], requires_grad=True)  # mu, logvar
    for _ in range(400):
        (slope,) = torch.autograd.grad(suspect(place[:1], place[1:]), place)
        place = (place - 0.1 * slope).detach().requires_grad_(True)
    mu_end, logvar_end = place.tolist()
    print(f"{name}: mu {mu_end:6.2f}, sigma {2.718281828 ** (logvar_end / 2):.3f}")

# %% [markdown]
# **Diagnose it.** What does each of the wrong ones do to the clouds? Which would give fog, and which would
# you never notice in the pictures?
#
# <details><summary>Answer</summary>
#
# **A** has the wrong sign before the log variance. Nothing holds the variance up any more: sigma sinks towards 0,
# without end, and the loss is happy. The cloud is a point, and the term is useless. **C** forgot that
# $\log\sigma^2 = 2\log\sigma$, halved it, and settles at sigma 0.71 instead of 1: a quiet error, which no picture
# will ever show. Only **B** ends at the standard normal. None of them makes fog; a KL *weight* that is too
# large does, since then all clouds become the same one, and G cannot tell the sentences apart.
#
# </details>
#
# One instant check. With $\mu = 0$ and $\sigma = 1$ the right KL is 0. What is it for $\mu = 1$, $\sigma = 1$?

# %%
kl_at_one = ...
your_turn(kl_at_one, 0.5, hint="only one of the four terms is left")

# %% [markdown] tags=["slide"]
# Such a test costs a second and needs no picture. The library has it, against `torch.distributions`, among
# its tests. Every term of a loss deserves one.
#
# ## Summary
#
# - A sentence becomes an embedding, the embedding a cloud of codes, and a code with noise a sketch.
# - D hears what it needs to hear. Make its task hard where you want G to be good.
# - Two stages: first what and where, then how it looks. The second reads the sentence again.
# - Published tables are a contract: row by row, and with the counting rules of their day.
# - What the sentence does not control is *where* things are. The next painters listen to more than words.
#
# **Do it yourself.** `assignments/02_conditioning.ipynb`: how wide is a sentence? In 60 to 90 minutes.

# %% [markdown]
# <details><summary><b>Quiz</b></summary>
#
# 1. *Why does D get real pictures with wrong captions?* Otherwise it can tell right from fake by looks alone,
#    and need not listen; then G need not either.
# 2. *Why is a caption with one exchanged word better than a random one?* It differs in one thing only, so
#    that is what D must look at.
# 3. *What is drawn anew in every round for the same caption?* The noise z and epsilon, the place in its cloud.
# 4. *What would the KL term do if its weight were very large?* Every cloud becomes the standard normal, and the
#    code says nothing about the caption.
# 5. *With the ReLU on log variance, what is the smallest sigma?* 1.
# 6. *Why is Stage I's output an argument of Stage II, and not part of it?* It is frozen. In the table of Stage II
#    you find no parameters of Stage I.
# 7. *Why are the rows of a summary unchanged by the faster doubling?* A summary watches the layers, and the
#    short cut is taken only where nobody watches.
# 8. *The judges give 98 % to real pictures. What does that say about a painter with 90 %?* That about eight in a
#    hundred are the painter's fault, and two the judges' or the caption's.
# 9. *Why does the floor lie above 0?* There are only so many things and colours: a shuffled caption is right by
#    chance now and then.
#
# </details>

# %% [markdown]
# <details><summary><b>Glossary</b></summary>
#
# **caption**: a sentence about a picture. **embedding**: what the reader makes of it, 1,024 numbers.
# **code** (`c`): what conditioning augmentation draws from the embedding. **conditioning augmentation**: a
# distribution of codes for each caption. **KL divergence**: how far one distribution is from another.
# **matching-aware**: a discriminator that also rejects real pictures with wrong captions. **stage**: one of
# two GANs trained one after the other. **char-CNN-RNN**: a reader of letters. **residual block**: adds what
# it finds to what it got. **floor, ceiling**: what chance and what real pictures score.
#
# </details>

# %% [markdown]
# <details><summary><b>Paper against code</b></summary>
#
# Three sources disagree with each other: the paper, a published program (whose tables we match), and the
# authors' own PyTorch port (whose checkpoints load: `course_lib.load("netG_epoch_120.pth")`).
#
# | | paper | the program with the tables | authors' port | here, profile `cpu` |
# |---|---|---|---|---|
# | D hears | the embedding, compressed | the same | `mu` of G's own augmentation | the embedding, compressed |
# | wrong captions | another picture's | **none at all** | the next one in the batch | shuffled and one word exchanged |
# | ReLU on log variance | - | yes | yes | no: sigma may be small |
# | batch norm before tanh | - | yes | no | no |
# | D's batch norm | yes | yes | yes | no, R1 instead |
# | Stage II paints | anew | anew | anew | on the enlarged sketch |
# | Stage II learns from | D | D | D | D, its sketch, and worn pictures |
# | KL weight | 1 | 1 (mean) | 2.0 (mean) | 0.001 (mean) |
# | Adam | 2e-4, 0.5 | 2e-4, 0.5 | 2e-4, 0.5 | 1.5e-3, 0 |
#
# The program with the tables has faults that we do not copy:
#
# - its generator is trained towards D's answer **0**, as if it wanted to be found out; it must be 1;
# - D never sees a real picture with a wrong caption, so nothing makes it listen;
# - the fake is not detached in D's step, so that gradients run through G for nothing;
# - Stage I's pictures are computed once and kept by batch *number*: right only as long as nobody shuffles the
#   data, and with one draw of noise for ever;
# - Stage II is built with an argument missing, and some names are not defined: it stops there.
#
# </details>

# %% [markdown]
# <details><summary><b>References</b></summary>
#
# - Zhang, Xu, Li, Zhang, Wang, Huang, Metaxas: StackGAN. ICCV 2017, arXiv:1612.03242
# - Reed, Akata, Lee, Schiele: Learning Deep Representations of Fine-grained Visual Descriptions. CVPR 2016,
#   arXiv:1605.05395
# - Reed, Akata, Yan, Logeswaran, Schiele, Lee: Generative Adversarial Text to Image Synthesis. ICML 2016,
#   arXiv:1605.05396
# - Kingma, Welling: Auto-Encoding Variational Bayes. ICLR 2014, arXiv:1312.6114
# - He, Zhang, Ren, Sun: Deep Residual Learning. CVPR 2016, arXiv:1512.03385
# - Odena, Dumoulin, Olah: Deconvolution and Checkerboard Artifacts. Distill 2016
# - The program with the tables: pclubiitk/model-zoo, StackGAN_PyTorch
# - The authors' port: hanzhanggit/StackGAN-Pytorch
#
# </details>
