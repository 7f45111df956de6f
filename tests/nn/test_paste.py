"""The spatial transformer with mask against closed forms, and its gradients."""

import pytest
import torch

from course_lib.nn.paste import paste, pose_at, warp

IDENTITY = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])


def centre(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[x, y]])


@pytest.mark.parametrize("align_corners", [True, False])
def test_the_identity_leaves_a_picture_as_it_is(align_corners):
    picture = torch.rand(1, 3, 5, 7)
    same = warp(picture, IDENTITY, (5, 7), align_corners=align_corners)
    torch.testing.assert_close(same, picture)


@pytest.mark.parametrize(("align_corners", "step"), [(True, 2 / 7), (False, 2 / 8)])
def test_a_shift_by_one_pixel_moves_the_picture_the_other_way(align_corners, step):
    picture = torch.rand(1, 1, 8, 8)
    pose = torch.tensor([[[1.0, 0, step], [0, 1, 0]]])  # x' = x + a pixel
    moved = warp(picture, pose, (8, 8), align_corners=align_corners)
    torch.testing.assert_close(moved[..., :-1], picture[..., 1:])
    assert moved[..., -1].abs().max() < 1e-5  # what comes in from outside is empty


def test_scale_two_shows_every_second_point_at_half_the_size():
    picture = torch.rand(1, 1, 9, 9)
    pose = torch.tensor([[[2.0, 0, 0], [0, 2, 0]]])
    small = warp(picture, pose, (9, 9), align_corners=True)
    torch.testing.assert_close(small[..., 2:7, 2:7], picture[..., ::2, ::2])
    outside = small.clone()
    outside[..., 2:7, 2:7] = 0
    assert outside.count_nonzero() == 0


def test_rows_and_columns_are_not_mixed_up():
    picture = torch.zeros(1, 1, 5, 5)
    picture[..., 2, 4] = 1  # right of the middle: x = 1, y = 0
    quarter_turn = torch.tensor([[[0.0, 1, 0], [-1, 0, 0]]])  # x' = y, y' = -x
    turned = warp(picture, quarter_turn, (5, 5), align_corners=True)
    assert turned[0, 0].nonzero().tolist() == [[4, 2]]  # x' = 1 where y = 1, y' = 0 where x = 0


def test_a_pose_is_where_it_was_asked_for():
    pose = pose_at(centre(0.5, -0.5), torch.tensor([[0.5, 0.25]]))
    shown = warp(torch.ones(1, 1, 64, 64), pose, (64, 64), align_corners=True)[0, 0] > 0.5
    rows, columns = shown.nonzero(as_tuple=True)
    # half of the width around x = 0.5, a quarter of the height around y = -0.5
    assert (columns.min(), columns.max()) == (32, 63)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(63 / 4, abs=0.5)
    assert rows.max() - rows.min() + 1 == pytest.approx(64 / 4, abs=1)


def test_pasting_is_the_papers_equation():
    canvas, f, m = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 4, 4), torch.rand(2, 1, 4, 4)
    pose = pose_at(torch.rand(2, 2) - 0.5, 0.5 + 0.5 * torch.rand(2, 2))
    shown, cover = (warp(x, pose, (8, 8), align_corners=True) for x in (f, m))
    out = paste(canvas, f, m, pose)
    torch.testing.assert_close(out.canvas, cover * shown + (1 - cover) * canvas)
    torch.testing.assert_close(out.appearance, shown)
    torch.testing.assert_close(out.mask, cover)
    for mine, other in zip(out, paste(canvas, f, m, pose, mask_moves_pose=False), strict=True):
        torch.testing.assert_close(mine, other)  # the switch changes gradients only


def small() -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = (2, 2, 4, 4), (2, 2, 3, 3), (2, 1, 3, 3)
    inputs = [torch.rand(*shape, dtype=torch.float64) for shape in shapes]
    pose = pose_at(torch.rand(2, 2) - 0.5, 0.5 + 0.4 * torch.rand(2, 2)).double()
    return [x.requires_grad_() for x in (*inputs, pose)]


def test_gradients_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(lambda *x: paste(*x).canvas, small())


def test_the_switch_takes_the_masks_part_of_the_poses_gradient_away():
    canvas, f, m, pose = small()

    def gradients(exact):
        out = paste(canvas, f, m, pose, mask_moves_pose=exact).canvas
        return torch.autograd.grad(out.square().sum(), (canvas, f, m, pose))

    true, without = gradients(True), gradients(False)
    for mine, theirs in zip(true[:3], without[:3], strict=True):
        torch.testing.assert_close(mine, theirs)
    # what is missing is the gradient of the mask's own way through the transformer
    still = paste(canvas, f.detach(), m, pose)
    cover = warp(m, pose, (4, 4), align_corners=True)
    shown = warp(f, pose, (4, 4), align_corners=True).detach()
    out = cover * shown + (1 - cover) * canvas
    (through_mask,) = torch.autograd.grad(
        (2 * still.canvas.detach() * out).sum(), pose, retain_graph=True
    )
    torch.testing.assert_close(true[3] - without[3], through_mask)


def test_half_precision_keeps_the_grid_exact():
    picture = torch.rand(1, 1, 128, 128)
    pose = pose_at(centre(0.25, 0.25), torch.tensor([[0.5, 0.5]]))
    with torch.autocast("cpu", torch.bfloat16):
        low = warp(picture, pose, (128, 128), align_corners=True)
    exact = warp(picture, pose, (128, 128), align_corners=True)
    torch.testing.assert_close(low.float(), exact)
