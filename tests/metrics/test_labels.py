"""Label accuracy: right labels, wrong ones, none to be seen; the same each time; what cannot be measured is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from organza.errors import UserError
from organza.metrics import label_accuracy as measure
from organza.metrics.label_accuracy import label_accuracy


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images with horizontal (0), vertical (1) or no (2) stripes, and which."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    wave = np.where(np.arange(16) % 4 < 2, 60, -60)
    patterns = np.stack([np.tile(wave[:, None], (1, 16)), np.tile(wave, (16, 1)), np.zeros((16, 16))])
    pictures = 128 + patterns[labels] + rng.normal(0, 20, (count, 16, 16))
    return pictures.clip(0, 255).astype(np.uint8)[..., None], labels


REAL, REAL_LABELS = stripes(160, 0)
FAKE, FAKE_LABELS = stripes(200, 1)


def test_pictures_that_show_their_label_score_as_the_real_ones_do_and_the_same_each_time():
    state = torch.get_rng_state()
    found = label_accuracy(REAL, REAL_LABELS, FAKE, FAKE_LABELS)
    assert found["label accuracy"].value > 0.97
    assert found["label accuracy, real"].value > 0.97
    assert 0 < found["label accuracy"].error < 0.03
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert label_accuracy(REAL, REAL_LABELS, FAKE, FAKE_LABELS) == found


def test_wrong_labels_score_nothing_and_ignored_ones_as_chance_does(monkeypatch: pytest.MonkeyPatch):
    network = measure._trained(REAL, REAL_LABELS, 3)  # one for both
    monkeypatch.setattr(measure, "_trained", lambda *_: network)
    assert label_accuracy(REAL, REAL_LABELS, FAKE, (FAKE_LABELS + 1) % 3)["label accuracy"].value < 0.03
    ignored = label_accuracy(REAL, REAL_LABELS, FAKE, np.random.default_rng(2).integers(0, 3, 200))
    assert ignored["label accuracy"].value == pytest.approx(1 / 3, abs=0.1)


def test_labels_that_cannot_be_seen_show_in_the_held_out_accuracy():
    found = label_accuracy(REAL, np.random.default_rng(3).integers(0, 2, 160), FAKE, FAKE_LABELS % 2)
    assert found["label accuracy, real"].value < 0.75


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fake": FAKE[:, :8]}, "of the same size"),
        ({"fake_labels": FAKE_LABELS[:5]}, "200 generated images and labels of shape"),
        ({"real_labels": np.zeros(160, int)}, "of 1 classes"),
    ],
)
def test_what_cannot_be_measured_is_told(change: dict[str, np.ndarray], said: str):
    arguments = {"real": REAL, "real_labels": REAL_LABELS, "fake": FAKE, "fake_labels": FAKE_LABELS}
    with pytest.raises(UserError, match=said):
        label_accuracy(**(arguments | change))
