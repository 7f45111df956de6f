"""``scripts/gpu_box.sh``: what it would do, what it does where AWS is a stub, what it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_box.sh"
VERBS = {
    "train": ["train", "dcgan", "--profile", "gpu"],
    "log": ["log"],
    "fetch": ["fetch"],
    "ssh": ["ssh", "course", "doctor"],
    "stop": ["stop"],
    "down": ["down"],
}
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

# Notes every call with its stdin, and answers as AWS does; FAILS is a word of a call that fails.
STUB = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $*" in
*"${FAILS:-nothing that occurs}"*) exit 254 ;;
*get-parameter*) echo ami-42 ;;
*Name=tag:Name*) printf '%s' "$BOX" ;;
*PublicIpAddress*) echo 198.51.100.8 ;;
*run-instances*) echo i-new ;;
curl*) echo 198.51.100.7 ;;
"aws configure get region") echo eu-central-1 ;;
*"tar -C /home"*) tar -C "$HOME/box" -cz runs ;;
ssh*"tee"* | ssh*"-xzC"*) cat >> "$CALLS" ;;
esac
"""


@pytest.fixture
def box(tmp_path):
    """Runs the script with stubs for whatever leaves this machine; ``.calls`` is what they saw."""
    tools, home = tmp_path / "tools", tmp_path / "home"
    for folder in (tools, home / ".ssh", home / "box" / "runs" / "dcgan"):
        folder.mkdir(parents=True)
    (home / "box" / "runs" / "dcgan" / "painter.safetensors").write_text("weights")
    for name in ("aws", "ssh", "curl"):
        (tools / name).write_text(STUB)
        (tools / name).chmod(0o755)
    for name in ("id_ed25519", "id_ed25519.pub"):
        (home / ".ssh" / name).write_text("a key")
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, checkout / "scripts")
    calls = tmp_path / "calls"

    def run(*arguments, state="", fails="", without=()):
        for name in without:
            (tools / name).unlink()
        for name in ("bash", "tar", "gzip", "basename", "dirname", "head", "cat", "sed", "mkdir"):
            path = shutil.which(name)
            if path and not (tools / name).exists():
                (tools / name).symlink_to(path)
        variables = {"PATH": str(tools), "HOME": str(home), "CALLS": str(calls), "BOX": state}
        variables |= {"FAILS": fails} if fails else {}
        return subprocess.run(
            [checkout / "scripts" / "gpu_box.sh", *arguments],
            env=variables, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    run.calls = lambda: calls.read_text(errors="replace") if calls.exists() else ""
    run.checkout, run.home = checkout, home
    return run


def test_bash_can_read_it():
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.parametrize("verb", VERBS)
def test_a_dry_run_shows_commands_and_does_none(box, verb):
    shown = box("--dry-run", *VERBS[verb], without=("aws", "ssh", "curl"))
    assert shown.returncode == 0, shown.stderr
    assert box.calls() == ""
    assert "+ aws ec2 describe-instances" in shown.stdout
    assert all(line.startswith(("+ ", "    ")) for line in shown.stdout.splitlines())


def test_from_nothing_to_a_training_that_goes_on(box):
    done = box("--spot", "--disk", "200", "train", "spade", "--out", "my runs")
    assert done.returncode == 0, done.stderr
    calls = box.calls()
    order = ["get-parameter", "import-key-pair", "create-security-group", "run-instances",
             "198.51.100.7/32", "wait instance-status-ok", "apt-get install", "make env",
             r"course train spade --out my\ runs", "Restart=on-failure",
             "systemctl restart course"]  # fmt: skip
    places = [calls.find(words) for words in order]
    assert -1 not in places and places == sorted(places), dict(zip(order, places, strict=True))
    for words in ("--image-id ami-42", "VolumeSize=200", "InstanceInterruptionBehavior=stop",
                  "--instance-initiated-shutdown-behavior stop"):  # fmt: skip
        assert words in calls
    assert "&& sudo systemctl poweroff" in calls  # when the training is done, nothing costs


@pytest.mark.parametrize(
    ("state", "happens", "does_not"),
    [
        ("i-1\trunning\n", "wait instance-status-ok --instance-ids i-1", "start-instances"),
        ("i-1\tstopped\n", "start-instances --instance-ids i-1", "run-instances"),
        ("i-1\tstopping\n", "wait instance-stopped --instance-ids i-1", "run-instances"),
    ],
)
def test_a_machine_that_is_there_is_used_again(box, state, happens, does_not):
    assert box("train", "dcgan", state=state).returncode == 0
    assert happens in box.calls()
    assert does_not not in box.calls()


def test_fetch_brings_the_runs(box):
    done = box("fetch", state="i-1\tstopped\n")
    assert done.returncode == 0, done.stderr
    assert (box.checkout / "runs" / "dcgan" / "painter.safetensors").read_text() == "weights"


def test_down_fetches_before_it_ends_the_machine(box):
    assert box("down", state="i-1\trunning\n").returncode == 0
    calls = box.calls()
    assert calls.find("tar -C /home") < calls.find("terminate-instances --instance-ids i-1")


def test_down_ends_nothing_if_the_runs_did_not_come(box):
    shutil.rmtree(box.home / "box")
    assert box("down", state="i-1\trunning\n").returncode != 0
    assert "terminate-instances" not in box.calls()


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (["train", "dcgan"], {"without": ["aws"]}, "there is no command aws"),
        (["train", "dcgan"], {"without": ["ssh"]}, "there is no command ssh"),
        (["train", "dcgan"], {"fails": "sts get-caller"}, "aws configure, or aws sso login"),
        (["train", "dcgan"], {"fails": "configure get region"}, "no region is chosen"),
        (["train", "dcgan"], {"fails": "run-instances"}, "Service Quotas"),
        (["--key", "nobody", "train", "dcgan"], {}, "ssh-keygen -t ed25519"),
        (["train"], {}, "train what?"),
        (["log"], {}, "there is no machine five-painters"),
        (["fetch"], {}, "there is no machine five-painters"),
        (["--fast", "train"], {}, "there is no option --fast"),
        (["--type"], {}, "--type needs a value"),
        (["fly"], {}, "there is no verb 'fly'"),
    ],
)
def test_what_cannot_work_says_what_to_do(box, arguments, options, words):
    done = box(*arguments, **options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "To mend it:" in done.stderr


def test_another_name_is_another_machine(box):
    box("--name", "second", "--region", "us-east-1", "stop", state="i-2\trunning\n")
    assert "Name=tag:Name,Values=second" in box.calls()
    assert "stop-instances --instance-ids i-2" in box.calls()
