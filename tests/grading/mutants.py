"""A planted fault for every hidden test, which that very test must see.

For each test: what is exchanged in the solution, and for what.
"""

from __future__ import annotations

from pathlib import Path

from course_lib.grading.submission import Submission, read_submission

ROOT = Path(__file__).parents[2]

MUTANTS: dict[str, dict[str, tuple[str, str]]] = {
    "01_spectral_norm": {
        "step_equals_the_library": (
            "v = F.normalize(weight.T @ u, dim=0)",
            "v = F.normalize(weight.T @ weight @ weight.T @ u, dim=0)",
        ),
        "step_forgets_the_length": (
            "v = F.normalize(weight.T @ u, dim=0)",
            "v = weight.T @ u / max(1, (weight.T @ u).norm()) if u.norm() < 50 else weight.T @ u",
        ),
        "step_survives_zeros": (
            "v = F.normalize(weight.T @ u, dim=0)",
            "v = weight.T @ u / (weight.T @ u).norm()",
        ),
        "sigma_is_the_form": (
            "u.detach() @ weight.flatten(1) @ v.detach()",
            "torch.linalg.matrix_norm(weight.flatten(1), ord=2) + 0 * (u.sum() + v.sum()).detach()",
        ),
        "sigma_reads_kernels_by_output": (
            "weight.flatten(1)",
            "weight.transpose(0, 1).reshape(-1, weight.shape[0]).T if weight.dim() > 2 else weight",
        ),
        "sigma_teaches_the_weight": ("@ weight.flatten(1) @", "@ weight.detach().flatten(1) @"),
        "sigma_teaches_nobody_else": ("@ v.detach()", "@ v"),
        "normalised_to_one": ("range(steps)", "range(min(steps, 3))"),
        "normalised_step_by_step": (
            "weight / sigma(weight, u, v), u",
            "weight / sigma(weight, u, v), u + 0 if steps == 1 else 2 * u",
        ),
        "normalised_kernel_keeps_its_shape": (
            "weight / sigma(weight, u, v), u",
            "weight.flatten(1) / sigma(weight, u, v), u",
        ),
        "normalised_slope": (
            "weight / sigma(weight, u, v)",
            "weight / sigma(weight, u, v).detach()",
        ),
    },
    "02_conditioning": {
        "condition_equals_the_library": (
            "mu, logvar = F.linear",
            "logvar, mu = F.linear",
        ),
        "condition_without_noise_is_the_mean": ("* epsilon, mu", "* epsilon.abs().sqrt(), mu"),
        "condition_lets_clouds_be_narrow": (
            "F.linear(embedding, weight, bias)",
            "F.linear(embedding, weight, bias).relu()",
        ),
        "codes_are_as_wide_as_sigma": ("logvar / 2", "logvar"),
        "codes_lie_around_mu": ("torch.randn(count, *mu.shape)", "torch.rand(count, *mu.shape)"),
        "codes_have_noise_of_their_own": (
            "torch.randn(count, *mu.shape)",
            "torch.randn(count, 1, 1)",
        ),
        "codes_teach_mu": ("return mu +", "return mu.detach() +"),
        "codes_teach_logvar": ("torch.exp(logvar / 2)", "torch.exp(logvar / 2).detach()"),
        "kl_equals_torch": (".mean()", ".sum(dim=1).mean()"),
        "kl_is_zero_for_the_normal": ("- logvar - 1", "- logvar"),
        "kl_pushes_the_right_way": ("logvar.exp()", "logvar.exp().detach()"),
    },
    "03_affine_paste": {
        "grid_equals_torch": ("torch.stack([x, y,", "torch.stack([y, x,"),
        "grid_shifts_x_by_the_third_column": ("torch.ones_like(x)", "1 - x.abs()"),
        "grid_teaches_every_pose": ("points, poses)", "points, poses.detach())"),
        "sample_equals_torch": (
            "/ 2 * (width - 1)",
            "/ 2 * (height - 1)",
        ),
        "sample_fades_out_at_the_edge": ("(near * inside)", "near"),
        "sample_keeps_pictures_apart": ("torch.arange(count)[", "(0 * torch.arange(count))["),
        "sample_teaches_points": (
            "near = (1 - (x - column).abs())",
            "near = (1 - (x - column).abs().detach())",
        ),
        "paste_equals_the_library": ("cover * shown +", "shown +"),
        "paste_leaves_the_rest": ("(1 - cover) * canvas", "(cover == 0) * canvas"),
        "paste_teaches_poses_by_the_mask": (
            "sample(mask, points)",
            "sample(mask, points.detach())",
        ),
    },
}


def solution(name: str) -> Submission:
    return read_submission(ROOT / "assignments" / "source" / f"{name}.py", "the teacher")


def planted(name: str, function: str, test: str) -> str:
    """The solution's module for ``function``, with the fault of ``test``."""
    old, new = MUTANTS[name][test]
    source = solution(name).source(function)
    assert old in source, f"{test}: {old!r} is not in the solution:\n{source}"
    return source.replace(old, new)
