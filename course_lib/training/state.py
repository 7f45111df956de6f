"""Everything that the next round depends on, and how it gets in and out of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_lib.errors import CourseError
from course_lib.objective import Objective
from course_lib.storage.checkpoint import Checkpoint, part, read_checkpoint, write_checkpoint
from course_lib.training.history import History

__all__ = ["TrainingState"]

LAST = "last.safetensors"
PAINTER = "painter.safetensors"
MAY_CHANGE = {"rounds", "device", "save_every", "sample_every"}  # between a run and its resumption


class TrainingState:
    """Players, their optimisers and averages, the round, the random numbers, the history."""

    def __init__(self, objective: Objective, device: torch.device) -> None:
        self.objective, self.config, self.device = objective, objective.config, device
        self.round = 0
        self.saved_round = 0  # the round of the last checkpoint, 0 for none
        self.history = History()
        self.optimisers: dict[str, torch.optim.Adam] = {}
        self.averages: dict[str, AveragedModel] = {}
        for name, player in objective.players.items():
            module = player.module.to(device).train()
            self.optimisers[name] = torch.optim.Adam(
                module.parameters(), lr=player.lr, betas=player.betas
            )
            if player.averaged and self.config.ema:
                average = get_ema_multi_avg_fn(self.config.ema)
                self.averages[name] = AveragedModel(module, multi_avg_fn=average, use_buffers=True)
        torch.manual_seed(self.config.seed)  # of the noise; weights were drawn by the objective

    def set_learning_rates(self) -> None:
        """Constant, then straight down to 0 over the last ``lr_decay`` of all rounds."""
        left = 1 - self.round / self.config.rounds  # from 1 to 0
        share = min(1.0, left / self.config.lr_decay) if self.config.lr_decay else 1.0
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self.objective.players[name].lr * share

    def finish_round(self, figures: Mapping[str, float]) -> None:
        """Averages the players, counts the round, notes its figures."""
        for name, average in self.averages.items():
            average.update_parameters(self.objective.players[name].module)
        self.round += 1
        self.history.add(self.round, figures)

    def sampling_players(self) -> dict[str, nn.Module]:
        """The modules to sample with: averages where there are."""
        return {
            name: self.averages[name].module if name in self.averages else player.module
            for name, player in self.objective.players.items()
        }

    def preview(self) -> Tensor:
        """The objective's pictures as they are now, ``[N, C, H, W]`` on the CPU."""
        players = self.sampling_players()
        for module in players.values():
            module.eval()
        pictures = self.objective.preview(players).cpu()
        for player in self.objective.players.values():
            player.module.train()
        return pictures

    # --- out to a checkpoint, and in again ---

    def save(self, folder: Path) -> None:
        """Writes ``folder/last.safetensors``."""
        write_checkpoint(folder / LAST, Checkpoint(self._header(), self._tensors()))
        self.saved_round = self.round

    def save_painter(self, folder: Path) -> Path:
        """Writes ``folder/painter.safetensors``: what one paints with, and its configuration."""
        tensors = {
            f"{name}/{key}": value
            for name, module in self.sampling_players().items()
            if self.objective.players[name].averaged
            for key, value in module.state_dict().items()
        }
        header = {key: self._header()[key] for key in ("kind", "config", "round")}
        return write_checkpoint(folder / PAINTER, Checkpoint(header, tensors))

    def resume(self, folder: Path) -> None:
        """Takes up the state of ``folder/last.safetensors`` if there is one."""
        if not (folder / LAST).exists():
            return
        checkpoint = read_checkpoint(folder / LAST)
        self._check_same_run(checkpoint.header, folder / LAST)
        for name, module in self._modules():
            module.load_state_dict(part(checkpoint.tensors, name))
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(
                {
                    "state": _moments(part(checkpoint.tensors, f"optimiser/{name}")),
                    "param_groups": optimiser.state_dict()["param_groups"],
                }
            )
        torch.set_rng_state(checkpoint.tensors["random/cpu"])
        if self.device.type == "cuda" and "random/cuda" in checkpoint.tensors:
            torch.cuda.set_rng_state(checkpoint.tensors["random/cuda"], self.device)
        self.round = self.saved_round = checkpoint.header["round"]
        self.history = History(**checkpoint.header["history"])

    def _header(self) -> dict[str, Any]:
        return {
            "kind": self.objective.kind,
            "config": asdict(self.config),
            "round": self.round,
            "history": asdict(self.history),
        }

    def _tensors(self) -> dict[str, Tensor]:
        """All tensors of the state under names such as ``optimiser/G/3/exp_avg``."""
        tensors = {
            f"{name}/{key}": value
            for name, module in self._modules()
            for key, value in module.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{name}/{index}/{key}": v for key, v in moments.items()}
        tensors["random/cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.device)
        return tensors

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        for name, player in self.objective.players.items():
            yield f"player/{name}", player.module
        for name, average in self.averages.items():
            yield f"average/{name}", average

    def _check_same_run(self, header: Mapping[str, Any], path: Path) -> None:
        """A resumed run must be the run that was stopped, but for what :data:`MAY_CHANGE`."""
        if header["kind"] != self.objective.kind:
            raise CourseError(
                f"this is a run of {header['kind']}, not of {self.objective.kind}",
                where=str(path),
                fix="another folder",
            )
        now = json.loads(json.dumps(asdict(self.config)))
        differences = [
            f"{key}: {header['config'].get(key)!r} -> {now.get(key)!r}"
            for key in sorted(now.keys() | header["config"].keys())
            if key not in MAY_CHANGE and now.get(key) != header["config"].get(key)
        ]
        if differences:
            raise CourseError(
                "the run was begun with another configuration: " + "; ".join(differences),
                where=str(path),
                fix="the same values, another folder, or begin anew (resume=False, `--fresh`)",
            )


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """``{"3/exp_avg": m}`` -> ``{3: {"exp_avg": m}}``, Adam's own form."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split("/")
        moments.setdefault(int(index), {})[key] = value
    return moments
