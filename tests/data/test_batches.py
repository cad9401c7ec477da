"""The order of the training images, what is held out, and pixels as numbers and back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from organza.data.batches import Order, flips, mirrored, reference, split, to_float, to_uint8


def passes(order: Order, count: int) -> list[list[int]]:
    length = len(order.items)
    return [order.at(range(number * length, (number + 1) * length)).tolist() for number in range(count)]


def test_each_pass_is_a_new_shuffle_of_all_items_at_any_position():
    items = np.arange(100, 140)
    first, second, third = passes(Order(items, 0), 3)
    for one in (first, second, third):
        assert sorted(one) == items.tolist()
        assert one != items.tolist()
        assert sum(b == a + 1 for a, b in pairwise(one)) < 10  # neighbours of the folder are hardly ever neighbours
    assert first != second != third
    assert passes(Order(items, 1), 1) != [first]
    order = Order(items, 0)
    assert [order.at([position])[0] for position in (119, 0, 40, 39)] == [third[39], first[0], second[0], first[39]]


@pytest.mark.parametrize(("length", "held"), [(99, 0), (100, 10), (500, 50), (20_000, 1000)])
def test_what_is_held_out_is_not_trained_on_and_nothing_is_lost(length: int, held: int):
    parts = split(length)
    assert len(parts.held_out) == held
    assert not set(parts.train) & set(parts.held_out)
    assert sorted([*parts.train, *parts.held_out]) == list(range(length))
    assert np.array_equal(parts.held_out, split(length).held_out)


def test_the_reference_is_held_out_if_anything_is():
    assert set(reference(split(200))) == set(split(200).held_out)
    assert reference(split(50)).tolist() == list(range(50))


def test_every_pixel_survives_the_way_to_numbers_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    values = to_float(pixels)
    assert values.shape == (1, 3, 16, 16)
    assert values.min() == -1
    assert values.max() == 1
    assert np.array_equal(to_uint8(values).numpy(), pixels)
    shifted = to_uint8(torch.tensor([-2.0, -1.0, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1, 1.0, 3.0]).reshape(1, 1, 1, 6))
    assert shifted.flatten().tolist() == [0, 0, 0, 1, 255, 255]


def test_mirrored_rows_are_flipped_left_to_right_and_the_others_are_as_they_were():
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    turned = mirrored(images.copy(), [1, 3])
    assert np.array_equal(turned[[0, 2]], images[[0, 2]])
    assert np.array_equal(turned[[1, 3]], np.flip(images[[1, 3]], 2))


def test_half_of_the_positions_are_flipped_each_by_its_own_draw():
    rows = flips(0, range(400))
    assert 150 < len(rows) < 250
    assert flips(0, range(200, 400)) == [row - 200 for row in rows if row >= 200]
    assert flips(1, range(400)) != rows
