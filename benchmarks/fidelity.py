"""What torch-fidelity says of images and networks that tests ask ours about; its answers go to tests/fixtures/fidelity.json.

    python -m benchmarks.fidelity --dinov2 CHECKOUT-OF-DINOV2

It needs torch-fidelity 0.4 and torchvision beside this package, and a checkout of github.com/facebookresearch/dinov2 for the last network.
Folders of PNGs go through its own reading of files, a registered extractor that wraps our offline network, and its FID, KID over all pairs
and precision and recall. The networks with published weights get weights by chance: so their layers are compared, without a download.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch_fidelity  # pyright: ignore[reportMissingImports]
from tests.references import BY, COUNT, clip_weights, dinov2_weights, folder, inception_weights, pictures
from torch import Tensor
from torch_fidelity import feature_extractor_base, feature_extractor_clip, registry  # pyright: ignore[reportMissingImports]
from torch_fidelity import feature_extractor_inceptionv3 as inceptionv3  # pyright: ignore[reportMissingImports]

from organza.metrics.extractors.features import offline_extractor

OUT = Path("tests/fixtures/fidelity.json")
SOME = slice(0, 3)  # images that the networks are shown
TOLD = 24  # of the features of each


class Offline(feature_extractor_base.FeatureExtractorBase):  # pyright: ignore[reportUntypedBaseClass]
    """Our offline network as torch-fidelity wants it: uint8 [N, 3, H, W] to features."""

    def __init__(self, name: str, features_list: list[str], **_: Any):
        super().__init__(name, features_list)
        self.extractor = offline_extractor()

    def forward(self, input: Tensor) -> tuple[Tensor]:
        return (self.extractor(input.movedim(1, -1)),)

    @staticmethod
    def get_provided_features_list() -> tuple[str]:
        return ("1280",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "1280"


def of_folders() -> dict[str, float]:
    """FID, KID, precision and recall of PNG files."""
    registry.register_feature_extractor("organza-offline", Offline)
    with tempfile.TemporaryDirectory() as place:
        return torch_fidelity.calculate_metrics(
            input1=str(folder("fake", Path(place))), input2=str(folder("real", Path(place))), feature_extractor="organza-offline",
            fid=True, kid=True, prc=True, kid_subsets=1, kid_subset_size=COUNT, prc_neighborhood=BY, cuda=False, cache=False, verbose=False,
        )  # fmt: skip


def of_inception(x: Tensor) -> Tensor:
    """Inception with weights by chance."""
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(inception_weights(), file.name)
        network = inceptionv3.FeatureExtractorInceptionV3("inception", ["2048"], file.name)
    return network(x)[0]


def of_clip(x: Tensor) -> Tensor:
    """CLIP with weights by chance."""
    torch.jit.load = lambda *_, **__: SimpleNamespace(state_dict=clip_weights)
    return feature_extractor_clip.FeatureExtractorCLIP("clip-vit-b-32", ["clip"], "weights")(x)[0]


def of_dinov2(x: Tensor, checkout: Path) -> Tensor:
    """DINOv2 with weights by chance, built by its authors' code."""
    from torch_fidelity import feature_extractor_dinov2  # pyright: ignore[reportMissingImports]

    network = torch.hub.load(str(checkout), "dinov2_vits14", source="local", pretrained=False)
    network.load_state_dict(dinov2_weights())  # pyright: ignore[reportAttributeAccessIssue]
    torch.hub.load = lambda *_: network
    return feature_extractor_dinov2.FeatureExtractorDinoV2("dinov2-vit-s-14", ["dinov2"])(x)[0]


def main() -> None:
    """Ask, and write the answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dinov2", type=Path, required=True)
    asked = parser.parse_args()
    x = torch.from_numpy(pictures("real")[SOME]).movedim(-1, 1)
    with torch.no_grad():
        seen = {"inception": of_inception(x), "clip": of_clip(x), "dinov2": of_dinov2(x, asked.dinov2)}
    told = {
        "versions": {"torch-fidelity": torch_fidelity.__version__, "torch": str(torch.__version__)},
        "folders": of_folders(),
        "features": {name: features[:, :TOLD].tolist() for name, features in seen.items()},
    }
    OUT.write_text(json.dumps(told, indent=1))
    print(json.dumps(told["folders"], indent=1))


if __name__ == "__main__":
    main()
