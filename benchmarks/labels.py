"""The figures of docs/conditional.md: a row of samples for each class of a conditional run, and the share of 1,000 samples in
which a classifier, trained on the run's own training images, finds the requested class.

python benchmarks/labels.py runs/garments docs/pictures/conditional-fashion.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import organza
from organza.evaluation.run_with_data import RunWithData
from organza.media.images import grid, save_png
from organza.metrics.label_accuracy import label_accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run with one field of classes")
    parser.add_argument("out", type=Path)
    parser.add_argument("--columns", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=1000, help="samples to classify")
    parser.add_argument("--data", type=Path, help="where the data lie now")
    asked = parser.parse_args()
    run = organza.load(asked.run)
    if run.labels is None or len(run.labels.fields) != 1:
        parser.error(f"{asked.run} must have labels of one field")
    (field,) = run.labels.fields
    rows = [run.sample(asked.columns, seed=asked.seed, labels={field.name: value}) for value in field.values]
    save_png(grid(np.concatenate(rows), asked.columns), asked.out)
    print(f"{asked.out}: {', '.join(field.values)}; seed {asked.seed}, {run.images:,} images seen")
    trained = RunWithData(asked.run, at=asked.data)
    real, made = trained.training(), trained.made(asked.count, seed=0)
    (_, known), (_, wanted) = real.classes()[field.name], made.classes()[field.name]
    for name, share in label_accuracy(real.images, known, made.images, wanted).items():
        print(f"{name}: {share.value:.3f} ± {share.error:.3f}")


if __name__ == "__main__":
    main()
