"""A run that was stopped and goes on is the run that never stopped, or it is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from course_lib import registry
from course_lib.errors import CourseError
from course_lib.storage.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from course_lib.storage.folder import RunFolder
from course_lib.training import loading, train
from course_lib.training.state import TrainingState
from tests.training.toy import CPU, Dots, ToyConfig, ToyObjective, save_at

CONFIG = ToyConfig()
SCHEMAS = Path(__file__).parents[1] / "storage" / "schemas"


def play(folder: Path, config: ToyConfig = CONFIG, source: Dots | None = None, **options):
    return train(ToyObjective(config), source or Dots(), folder, show=False, **options)


def last(folder: Path) -> Checkpoint:
    return read_checkpoint(folder / "last.safetensors")


def differing(one: Checkpoint, other: Checkpoint) -> list[str]:
    """The names of the parts of the state that are not equal to the bit."""
    assert one.tensors.keys() == other.tensors.keys()
    return [n for n, value in one.tensors.items() if not torch.equal(value, other.tensors[n])]


@pytest.fixture
def every_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in which every save of a run is kept under its round."""
    whole_save = RunFolder.save

    def save(run: RunFolder, state: Checkpoint) -> None:
        whole_save(run, state)
        if "straight" in str(run.path):
            shutil.copy(run.path / "last.safetensors", tmp_path / f"{state.header['round']}.st")

    monkeypatch.setattr(RunFolder, "save", save)
    return tmp_path


# --- exact (R5) ---


@pytest.mark.parametrize(
    ("precision", "rounds"), [("fp32", range(1, 12)), ("bf16", [7]), ("fp16", [1, 7])]
)
def test_a_run_resumed_at_any_round_equals_one_that_was_not_stopped(
    every_state: Path, precision: str, rounds: list[int]
) -> None:
    """Two epochs and two rounds: in the middle of an epoch, at its end, in the decay of lr."""
    config = replace(CONFIG, save_every=1, precision=precision)
    play(every_state / "straight", config)
    for number in rounds:
        folder = every_state / f"Übung {number} (копия) #2%"
        play(folder, replace(config, save_every=99), resume=every_state / f"{number}.st")
        assert not differing(last(every_state / "straight"), last(folder)), number


@pytest.mark.parametrize("kind", registry.WINGS)
def test_every_objective_that_exists_resumes_to_the_bit(every_state: Path, kind: str) -> None:
    """A new wing is covered by being in the registry."""
    few = {"rounds": 3, "batch_size": 4, "device": "cpu", "save_every": 1, "sample_every": 9}
    wing, config = registry.wing(kind), registry.configure(kind, "smoke", few)
    source = wing.source(config)
    train(wing.objective(config), source, every_state / "straight", show=False)
    config = replace(config, save_every=99)
    train(
        wing.objective(config), source, every_state / "b", resume=every_state / "1.st", show=False
    )
    assert not differing(last(every_state / "straight"), last(every_state / "b"))


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Checkpoint, Checkpoint]]:
    """The states after 7 and after all 12 rounds, for each precision."""
    states = {}
    for precision in ("fp32", "fp16"):
        folder, config = tmp_path_factory.mktemp(precision), replace(CONFIG, precision=precision)
        play(folder, replace(config, rounds=7, lr_decay=0.0), resume=False)
        half = last(folder)
        half.header["config"]["lr_decay"] = config.lr_decay  # round 7 of 12 is the first of those
        play(folder / "rest", config, resume=write_checkpoint(folder / "7.st", half))
        states[precision] = half, last(folder / "rest")
    return states


def forget(*words: str):
    """Puts what a new run begins with in place of the tensors whose names hold all the words."""

    def change(checkpoint: Checkpoint) -> None:
        fresh = TrainingState(ToyObjective(replace(CONFIG, seed=1)), CPU).checkpoint().tensors
        names = [n for n in checkpoint.tensors if all(word in n for word in words)]
        assert names, words
        for name in names:
            if name.startswith("optimiser"):
                del checkpoint.tensors[name]
            else:
                checkpoint.tensors[name] = fresh[name]

    return change


def forget_round(checkpoint: Checkpoint) -> None:
    checkpoint.header["round"] = 0


def forget_scalers(checkpoint: Checkpoint) -> None:
    checkpoint.header["scalers"] = {}


FORGOTTEN = {
    "nothing": lambda checkpoint: None,
    "D": forget("player/D"),
    "G": forget("player/G"),
    "average": forget("average/G"),
    "D's optimiser": forget("optimiser/D"),
    "G's optimiser": forget("optimiser/G"),
    "torch's random numbers": forget("random/cpu"),
    "numpy's random numbers": forget("random/numpy"),
    "Python's random numbers": forget("random/python"),
    "vectors of spectral norm": forget("player/D", "parametrizations.weight.0._"),
    "statistics of batch norm": forget("player/G", "running_"),
    "round": forget_round,
}


def rest(folder: Path, checkpoint: Checkpoint, precision: str = "fp32") -> Checkpoint:
    start = write_checkpoint(folder / "7.st", checkpoint)
    play(folder / "rest", replace(CONFIG, precision=precision), resume=start)
    return last(folder / "rest")


def copy(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(dict(checkpoint.header), dict(checkpoint.tensors))


@pytest.mark.parametrize("what", FORGOTTEN)
def test_whatever_is_forgotten_is_noticed(tmp_path: Path, halfway, what: str) -> None:
    """The control of the tests above: without any one part of the state equality breaks."""
    half, whole = halfway["fp32"]
    start = copy(half)
    FORGOTTEN[what](start)
    found = rest(tmp_path, start)
    equal = found.tensors.keys() == whole.tensors.keys() and not differing(found, whole)
    assert equal is (what == "nothing")


@pytest.mark.parametrize("forgets", [False, True])
def test_a_forgotten_scaler_is_noticed(tmp_path: Path, halfway, forgets: bool) -> None:
    half, whole = halfway["fp16"]
    start = copy(half)
    if forgets:
        forget_scalers(start)
    assert bool(differing(rest(tmp_path, start, "fp16"), whole)) is forgets


def test_a_lost_place_in_the_data_is_noticed(tmp_path: Path, halfway, monkeypatch) -> None:
    half, whole = halfway["fp32"]
    place = loading.batch_indices
    monkeypatch.setattr(loading, "batch_indices", lambda *a: place(*a[:-1], a[-1] - 7))
    assert differing(rest(tmp_path, copy(half)), whole)


# --- refused, with what has changed (R6, B65-B68) ---


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 7}, "cannot change: width: 6 -> 7"),
        ({"seed": 3}, "cannot change: seed: 0 -> 3"),
        ({"batch_size": 5}, "cannot change: batch_size: 4 -> 5"),
        ({"ema": 0.5, "rounds": 20}, "cannot change: ema: 0.9 -> 0.5"),
        ({"ema": 0.5, "lr": 0.1}, "may change:    lr: 0.01 -> 0.1"),
    ],
)
def test_another_game_is_refused_with_what_may_and_may_not_change(
    tmp_path: Path, change: dict, said: str
) -> None:
    save_at(tmp_path, 3)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(CourseError) as caught:
        play(tmp_path, replace(CONFIG, **change))
    assert said in str(caught.value) and "--fresh" in caught.value.fix
    assert (tmp_path / "last.safetensors").read_bytes() == before


OTHER = {
    "rounds": 5,
    "lr": 0.1,
    "device": "auto",
    "workers": 0,
    "save_every": 2,
    "save_minutes": 9.0,
    "sample_every": 7,
    "milestone_every": 3,
    "keep": "full",
}


@pytest.mark.parametrize("name", OTHER)
def test_what_does_not_change_the_game_may_change(tmp_path: Path, name: str) -> None:
    save_at(tmp_path, 4)
    assert len(play(tmp_path, replace(CONFIG, **({"rounds": 5} | {name: OTHER[name]})))) == 5


class OtherDots(Dots):
    fingerprint = "22 other dots"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Dots(30), "22 scenes of dots -> 30 scenes of dots"),
        (OtherDots(), "22 scenes of dots -> 22 scenes of dots with another content"),
    ],
    ids=["number", "content"],
)
def test_other_data_is_refused(tmp_path: Path, source: Dots, said: str) -> None:
    play(tmp_path, replace(CONFIG, rounds=2))
    with pytest.raises(CourseError, match=said):
        play(tmp_path, source=source)


def test_data_that_says_nothing_of_itself_is_told_by_its_size(tmp_path: Path) -> None:
    silent = Dots()
    silent.fingerprint = ""
    play(tmp_path, replace(CONFIG, rounds=2), silent)
    assert len(play(tmp_path, replace(CONFIG, rounds=3))) == 3


def test_another_painter_and_other_tables_are_refused(tmp_path: Path) -> None:
    class Other(ToyObjective):
        kind = "other"

    class Renamed(ToyObjective):
        def tables(self):
            return {"classes": ["dot", "line"]}

    save_at(tmp_path, 3)
    for objective, said in [(Other, "this is a toy checkpoint, you asked for other"),
                            (Renamed, "the tables")]:  # fmt: skip
        with pytest.raises(CourseError, match=said):
            train(objective(CONFIG), Dots(), tmp_path, show=False)


def test_a_finished_run_says_so_and_can_be_prolonged(tmp_path: Path, capsys) -> None:
    play(tmp_path)
    train(ToyObjective(CONFIG), Dots(), tmp_path)
    assert "already at 12 of 12 rounds; more with rounds=24" in capsys.readouterr().out
    assert len(play(tmp_path, replace(CONFIG, rounds=13))) == 13


# --- old states, other folders, what is kept ---


@pytest.mark.parametrize("schema", ["1", "2"])
def test_a_state_of_an_old_schema_goes_on(tmp_path: Path, schema: str) -> None:
    config = replace(CONFIG, width=2)
    history = play(tmp_path, config, resume=SCHEMAS / f"{schema}.safetensors")
    assert history.rounds == list(range(1, 13)) and history["G"][:3] == [0, 1, 2]


def test_a_fresh_run_begins_anew_and_keeps_the_other(tmp_path: Path) -> None:
    play(tmp_path, replace(CONFIG, rounds=4))
    assert play(tmp_path, replace(CONFIG, rounds=2), resume=False).rounds == [1, 2]
    assert last(tmp_path / "earlier").header["round"] == 4


@pytest.mark.parametrize("keep", ["painter", "full"])
def test_milestones_are_what_was_asked_for(tmp_path: Path, keep: str) -> None:
    config = replace(CONFIG, milestone_every=5, keep=keep)
    play(tmp_path / "run", config)
    kept = tmp_path / "run" / "milestones"
    assert [p.stem for p in sorted(kept.iterdir())] == ["0000005", "0000010"]
    milestone = read_checkpoint(kept / "0000005.safetensors")
    assert milestone.header["tables"] == {"classes": ["dot", "dash"]}
    if keep == "full":
        play(tmp_path / "from 5", config, resume=kept / "0000005.safetensors")
        assert not differing(last(tmp_path / "run"), last(tmp_path / "from 5"))
    else:
        assert {name.partition("/")[0] for name in milestone.tensors} == {"G"}
        with pytest.raises(CourseError, match="this is a painter"):
            play(tmp_path / "from 5", config, resume=kept / "0000005.safetensors")


def test_the_best_painter_is_kept_and_asking_changes_nothing(tmp_path: Path) -> None:
    """A score draws random numbers and leaves modes as it likes; training does not notice."""
    asked = []

    def score(players) -> float:
        assert not players["G"].training
        players["G"](torch.randn(3, 3))
        asked.append(len(asked))
        return [0.1, 0.9, 0.5][len(asked) - 1]

    play(tmp_path / "scored", score=score)
    play(tmp_path / "plain")
    assert len(asked) == 3 and last(tmp_path / "scored").header["round"] == 12
    best = read_checkpoint(tmp_path / "scored" / "best.safetensors")
    assert (best.header["round"], best.header["score"]) == (8, 0.9)
    assert not differing(last(tmp_path / "scored"), last(tmp_path / "plain"))


def test_a_state_that_is_not_finite_is_never_saved(tmp_path: Path) -> None:
    """R8: in a weight, in a statistic, in Adam's memory."""
    play(tmp_path, replace(CONFIG, rounds=4))
    before = (tmp_path / "last.safetensors").read_bytes()
    for name in ("player/G/3.weight", "player/G/1.running_var", "optimiser/D/0/exp_avg_sq"):
        state = TrainingState(ToyObjective(CONFIG), CPU)
        with RunFolder(tmp_path) as run:
            state.begin(run, Dots(), resume=True)
            state.checkpoint().tensors[name].detach().view(-1)[0] = float("nan")
            with pytest.raises(CourseError, match=f"not saved, because {name}"):
                state.save(run)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_a_painter_knows_the_tables_of_its_checkpoint(tmp_path: Path) -> None:
    """A class table or a vocabulary travels inside the file."""
    config = registry.configure("dcgan", "smoke", {"size": 8, "device": "cpu"})
    state = TrainingState(registry.wing("dcgan").objective(config), CPU)
    state.objective.tables = lambda: {"classes": ["0", "1"]}
    path = write_checkpoint(tmp_path / "painter.safetensors", state.painter())
    assert registry.load(path).tables == {"classes": ["0", "1"]}
