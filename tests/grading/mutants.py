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
    "04_spade_norm": {
        "norm_takes_the_whole_batch": ("dim=(0, 2, 3)", "dim=(2, 3)"),
        "norm_divides_by_the_number": (", correction=0", ""),
        "norm_of_a_constant_is_zero": ("variance + 1e-05", "variance"),
        "modulation_equals_the_library": (".relu()", ""),
        "modulation_keeps_the_size": ("weight.shape[-1] // 2", "1"),
        "spade_equals_the_library": ("F.one_hot(ids, classes)", "F.one_hot(ids)"),
        "spade_without_a_map_is_the_norm": ("(1 + gamma)", "gamma"),
        "spade_resizes_ids": ("mode='nearest'", "mode='bilinear', align_corners=False"),
    },
    "05_object_pathway": {
        "crop_equals_the_library": ("2 * y + h - 1", "2 * x + w - 1"),
        "crop_of_everything_changes_nothing": ("2 * x + w - 1", "2 * x + w"),
        "paste_pose_equals_the_library": ("-(2 * y + h - 1) / h", "-(2 * y + h - 1)"),
        "paste_pose_undoes_the_crop": ("-(2 * x + w - 1) / w", "(2 * x + w - 1) / w"),
        "merge_covers_in_order": ("laid.unbind(dim=1)", "laid.flip(1).unbind(dim=1)"),
        "merge_lets_through_holes": (
            "torch.where(one != 0, one, canvas)",
            "torch.where((one != 0).any(dim=1, keepdim=True), one, canvas)",
        ),
        "pathway_equals_the_library": ("crop_pose(every), side, side", "crop_pose(every), 3, side"),
        "pathway_repaints_each_object": (
            "gains.flatten(0, 1)",
            "gains.mean(dim=1, keepdim=True).expand_as(gains).flatten(0, 1)",
        ),
        "pathway_teaches_gains": ("gains.flatten(0, 1)", "gains.detach().flatten(0, 1)"),
    },
    "06_isla_norm": {
        "shares_equal_the_library": ("sum(dim=1, keepdim=True)", "amax(dim=1, keepdim=True)"),
        "shares_of_nobody_are_zero": (" + 1e-06", ""),
        "mix_equals_the_library": (", shares(masks)", ", shares(masks.transpose(-1, -2))"),
        "mix_of_one_is_that_one": (", shares(masks)", ", masks"),
        "mix_teaches_styles": ("each.transpose(1, 2)", "each.detach().transpose(1, 2)"),
        "isla_equals_the_library": (
            "F.batch_norm(x, None, None, training=True, eps=1e-05)",
            "F.instance_norm(x)",
        ),
        "isla_resizes_masks": ("mode='bilinear', align_corners=False", "mode='nearest'"),
        "isla_leaves_nobodys_pixels": ("(1 + mix(gammas, masks))", "mix(gammas, masks)"),
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
