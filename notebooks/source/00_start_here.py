# ---
# jupyter:
#   course:
#     kind: start
# ---

# %% [markdown] tags=["slide"]
# # 00 Start here
#
# [![Open this chapter in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/one-scene/five-painters/blob/main/notebooks/00_start_here.ipynb)
#
# **The question.** You want a picture of a white tree by a lake, in autumn, at night. To whom do you say
# it, in which words, and how would you know that you were understood?

# %% [markdown] tags=["slide"]
# ## What you will be able to do
#
# - run any chapter of this course, stop it, and go on where you stopped;
# - take a picture apart into what describes it: caption, layout, masks, label map;
# - repaint the same scene in another season, and another scene in the same light;
# - play with a trained painter, and send its picture to a friend as one line of text;
# - say what "controllable" means as a number, with a floor and a ceiling.
#
# **Time.** Twenty minutes to read and play. The machine needs less than one, on any CPU.

# %% [markdown]
# Run the next cell first, in this chapter and in every other one: click it, then Shift + Enter. On
# Colab it fetches the course; elsewhere it checks that this notebook runs in the right environment.

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
# Every chapter has parameters. Change them here, or from outside: `course run 00 -p page 12`.

# %% tags=["parameters"]
seed: int = 0  # which book of scenes
page: int = 3  # which page of it

# %% [markdown] tags=["slide"]
# ## 1 Storybook
#
# All painters of this course live in one little world. It is drawn by a program, so nothing has to be
# downloaded, it has no end, and everything about every picture is known. Here are its first pages:

# %% tags=["slide"] alt="A sheet of twenty-four small landscapes with houses, animals, boats and balloons, by day and night"
import torch

from course_lib.data.storybook import Storybook
from course_lib.painter import Picture, grid
from course_lib.widgets import need

need(page="What you will be able to do")
book = Storybook(seed=seed, size=64)
Picture(grid(book.batch(torch.arange(24)).images))

# %% [markdown]
# Open one page. **Before you read on:** which words would *you* use for it? Could somebody else draw it
# from your words?

# %% alt="One page enlarged: an orange balloon over dark woods, a green fish in a lake, a white tree in front"
scene = Storybook(seed=seed, size=128)[page]
scene.picture

# %% [markdown]
# These are Storybook's own words for it. They are all true; none of them says everything.

# %%
print(*scene.captions, sep="\n")

# %% [markdown] tags=["slide"]
# ## 2 Four ways to describe a picture
#
# A **caption** is what people find easiest. It leaves out where exactly, how large, in which shape. The
# **layout** says where: a class name and a box for each thing, in fractions of the picture.

# %%
from course_lib.widgets import need

need(scene="1 Storybook")
for name, (left, top, right, bottom) in scene.layout:
    print(f"{name:10} from ({left:.2f}, {top:.2f}) to ({right:.2f}, {bottom:.2f})")

# %% [markdown]
# Which names are there? Things can be counted, *stuff* cannot; every class is one or the other.

# %% tags=["nbval-check-output"]
from course_lib.data.storybook import CLASSES

for kind in ("thing", "stuff"):
    print(f"{kind}:", ", ".join(info.name for info in CLASSES if info.kind == kind))

# %% [markdown]
# The **masks** say which pixels belong to each thing, and the **label map** gives a class to *every*
# pixel, stuff included. Above: the picture and its boxes. Below: its masks and its label map.

# %% tags=["slide"] alt="The same scene four times: as a picture, with a box around each thing, with each thing in one colour, and as flat areas of colour for every class"
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

large = Storybook(seed=seed, size=256)[page]
colours = ["orange", "limegreen", "magenta", "cyan", "yellow", "white"][: len(large.layout)]
paper = torch.full_like(large.image, 90)
views = [
    large.image,
    draw_bounding_boxes(large.image, large.layout.boxes, colors=colours, width=4),
    draw_segmentation_masks(paper, large.masks, alpha=1.0, colors=colours),
    large.label_map.coloured(),
]
Picture(grid(torch.stack([v.as_subclass(torch.Tensor) for v in views]) / 127.5 - 1, columns=2))

# %% [markdown] tags=["slide"]
# **Think first.** Which of the four is easiest for a person to write down? Which one pins the picture
# down most? What do *none* of them say?
#
# <details><summary>Answer</summary>
#
# The caption is easiest, the label map pins down most. None of them says what the *light* is, how the
# brush went, which grass and which waves. That is the **style** (here also called the *look*), and
# painters of later chapters get it from noise, or from another picture.
#
# </details>

# %% [markdown] tags=["slide"]
# ## 3 Layout and look
#
# In Storybook, what stands where (*layout*) and how it is painted (*look*: season, hour, palette, the
# grain of the brush) can be changed independently. What a thing *is*, its own colour included, belongs
# to the layout: the balloon stays orange at night. The same layout on a spring day, on a warm summer
# evening, in an autumn night and on a cool winter day:

# %% tags=["slide"] alt="The same scene four times: on a spring day, on a summer evening, in autumn by night, in winter snow light"
from course_lib.data.storybook import Look
from course_lib.widgets import need

need(scene="1 Storybook")
looks = [
    Look(season="spring", hour="day"),
    Look(season="summer", hour="sunset", palette="warm"),
    Look(season="autumn", hour="night"),
    Look(season="winter", hour="day", palette="cool"),
]
repainted = [scene.redraw(look=look) for look in looks]
Picture(grid(torch.stack([other.picture.image for other in repainted])))

# %% [markdown] tags=["slide"]
# And four layouts under the look of our page. Taken literally, that lets a sun stand in a night sky:
# layout and look really are independent.

# %% tags=["slide"] alt="Four other scenes in the same light and season as the first one"
others = [scene.redraw(layout=book.plan(page + step)) for step in (2, 4, 5, 6)]
Picture(grid(torch.stack([other.picture.image for other in others])))

# %% [markdown]
# Because we know both, we can *measure* whether a painter that promises "another style, the same
# content" keeps its promise. With photographs one can only hope.

# %% [markdown]
# ## 4 Touch it
#
# A panel is a few controls and the picture that they make. Move them. (If you read this on a page
# without a kernel, you see a still picture with the same information.)

# %%
from course_lib.widgets import need, storybook_panel

need(torch="1 Storybook")
panel = storybook_panel()
panel

# %% [markdown]
# Whatever a hand can do, code can do too: `panel.set(...)` moves the controls, `panel.state` reads them,
# `panel.picture` is what is shown.

# %% alt="The panel's scene, now in winter by night with five things"
from course_lib.widgets import need

need(panel="4 Touch it")
panel.set(season="winter", hour="night", things=5)
panel.picture

# %% [markdown]
# A **postcard** is one line of text that paints this very picture again, on any machine: it says who
# painted, with which weights, from which inputs.

# %%
from course_lib.postcard import Postcard

card = panel.postcard()
print(card.to_json())
assert torch.equal(Postcard.from_json(card.to_json()).repaint().image, panel.picture.image)

# %% [markdown]
# **Your turn.** Find the prettiest picture you can, send its line to a friend, and let her repaint it
# with `Postcard.from_json(line).repaint()`.

# %% [markdown] tags=["slide"]
# ## 5 A trained painter
#
# Storybook is drawn by rules that somebody wrote. A *trained* painter has no rules: it has seen
# examples. The painter of chapter 01 has seen handwritten digits, and listens to nothing but **noise**:
# 64 random numbers, drawn from a seed.

# %% tags=["slide"] alt="Two rows of eight handwritten digits painted by a trained generator from the seeds 0 to 15"
import course_lib
from course_lib.widgets import need

need(torch="1 Storybook")
painter = course_lib.load("dcgan")
Picture(grid(torch.stack([painter.generate(seed=number).image for number in range(16)])))

# %% [markdown]
# Nobody can ask this painter for a 7. One can only try seeds until it happens to paint one, or search
# its noise. Try it: *how far* walks from one seed to another, *moved by* changes a single number.

# %%
from course_lib.widgets import noise_panel

noise_panel(painter).set(seed=5)

# %% [markdown] tags=["slide"]
# **That is the problem that the five papers of this course solve**, each in its own way:
#
# | | painter | listens to |
# |---|---|---|
# | 02 | StackGAN | the caption |
# | 03 | LR-GAN | nothing, but it paints in layers that can be taken apart |
# | 04 | SPADE | the label map, and a style |
# | 05 | OP-GAN | the caption and the layout |
# | 06 | LostGAN | the layout, and a style for each object |

# %% [markdown] tags=["slide"]
# ## 6 What is control, as a number?
#
# Suppose somebody sells you a painter: "tell it the layout, and it paints that!" How would you check?
# Give it many layouts, and see whether in each box of its pictures stands what the layout asked for. Who
# looks? A **judge**: a small network that was trained on real pages to tell what is in a box, or that
# there is nothing. It scores painters and never trains one.
#
# Let us invent three painters and check them:
#
# - **the obedient one** paints the right layout in a look of its own;
# - **the careless one** does that for half of the orders, and paints something else for the others;
# - **the deaf one** paints pretty pages and never listens.

# %%
from course_lib.metrics import thing_recall
from course_lib.widgets import need

need(book="1 Storybook", Look="3 Layout and look")
orders = [book[index] for index in book.split("test")[:60]]
wanted = book.batch(torch.tensor(list(book.split("test")[:60])))
obedient = torch.stack([order.redraw(look=Look(season="summer")).picture.image for order in orders])
deaf = book.batch(torch.tensor(list(book.split("test")[60:120]))).images  # other pages
careless = torch.where(torch.arange(60)[:, None, None, None] % 2 == 0, obedient, deaf)

# %% [markdown] tags=["slide"]
# The first row shows eight orders, as real pages. Below them the answers of the obedient, the careless
# and the deaf painter.

# %% tags=["slide"] alt="Eight pages; below, the same layouts in summer; then every second one wrong; then all of them wrong"
rows = [wanted.images[:8], obedient[:8], careless[:8], deaf[:8]]
Picture(grid(torch.cat(rows)))

# %% [markdown] tags=["slide"]
# And now the judge's counts, as a share of all boxes that were ordered:

# %% tags=["slide"]
print("painter    recall   95 % interval   floor  ceiling")
for name, pictures in {"obedient": obedient, "careless": careless, "deaf": deaf}.items():
    score = thing_recall(pictures, wanted)
    low, high = score.interval
    line = f"{name:10} {score.value:6.2f}   {low:.2f} to {high:.2f}"
    print(f"{line}   {score.floor:6.2f} {score.ceiling:8.2f}")

# %% [markdown] tags=["slide"]
# The **interval** is where the value would fall 95 times out of 100 if other pages were drawn. The
# **floor** is what the same pictures score when the orders are shuffled. The **ceiling** is what real
# pages score. A score carries all of this, and how it was measured, wherever it goes:

# %%
score

# %% [markdown] tags=["slide"]
# Without a floor you would not know how much is luck: now and then a deaf painter puts a bird where a
# bird was ordered. Without a ceiling you would blame the painter for the judge's own mistakes. **Every
# score in this course comes with both.**

# %% [markdown] tags=["slide"]
# **Think first.** The deaf painter's pictures are real pages, as pretty as any. Which kind of score would
# *not* notice that it is deaf?
#
# <details><summary>Answer</summary>
#
# One that looks at pictures only and not at orders: FID, Inception score, or "my friends like them".
# They measure quality, not control. We need both kinds.
#
# </details>

# %% [markdown]
# ## 7 How to use this course
#
# - **Order.** 01 explains GANs from zero. 02 to 06 can be read in any order after it; 07 needs them all.
# - **Run** cells from top to bottom. A section that needs an earlier one says so, with the section to
#   run first.
# - **Profiles** say how much work: `smoke` (seconds; shows that it runs), `cpu` (minutes; learns
#   something on a laptop), `gpu` and `paper` (the paper's size on the paper's data).
# - **Nothing is lost.** A training can be stopped with the stop button, or by a crash. Run its cell
#   again and it goes on.
# - **Your turn** means: change something. Answers are checked at once where that is possible.
# - **Assignments** go with chapters 01 to 06: open the one of that number in the folder `assignments`. You write the
#   paper's central block, each part is checked at once, and then you find something out with it.
# - **If something does not work**, ask the doctor. Every problem comes with the line that mends it:

# %%
from course_lib.doctor import doctor

doctor()

# %% [markdown]
# <details><summary><b>Glossary: the words of this course</b></summary>
#
# **caption**: a sentence about a picture. **layout**: boxes with class names. **label map**: a class for
# every pixel. **instance map**: which thing a pixel belongs to. **mask**: the pixels of one thing.
# **thing, stuff**: what can be counted (house, bird), what cannot (sky, grass). **noise** (`z`): random
# numbers that a painter starts from. **style, look**: how a scene is painted, apart from what is in it.
# **generator, discriminator**: the network that paints, and the one that tells real from painted.
# **objective**: what is learnt, as losses. **round**: one update of each network. **profile**: how much
# work. **judge**: a network that reads pictures, scores painters and trains none. **floor, ceiling**:
# what shuffled orders and what real pictures score. **postcard**: the line of text that repaints a
# picture.
#
# </details>
