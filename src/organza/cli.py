"""The command line: one function per verb; its signature is its interface. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from organza.errors import UserError, nearest

Text = tyro.conf.Positional[str]


def train(
    data: Text,
    /,
    run: str | None = None,
    recipe: str | None = None,
    budget: str | None = None,
    settings: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="FIELD=VALUE ...")] = (),
    size: str | None = None,
    channels: int | None = None,
    seed: int | None = None,
    stop: Literal["plateau", "equilibrium", "budget"] | None = None,
    evaluate: bool = True,
    dry_run: bool = False,
) -> int:
    """Train a generator on images. The same command goes on where a run was left.

    Args:
        data: a folder of images, a zip, or an array file.
        run: the run's folder (default runs/NAME-OF-DATA).
        recipe: a recipe's name, or my_module:my_recipe (default dcgan-r1; see `organza recipes`).
        budget: a time (10m, 1h30m), images (500kimg) or passes (20epochs) (default 20m).
        settings: changes to the recipe, such as batch=32 generator.width=48.
        size: pixels, 64 or 96x64 (width x height); chosen from the data by default.
        channels: 1, 3 or 4; chosen from the data by default.
        seed: of everything random (default 0).
        stop: what may end the run before its budget: plateau (default), equilibrium, or the budget alone.
        evaluate: measure the samples against held-out images while training.
        dry_run: print the resolved recipe, its size, memory and time, and train nothing.
    """
    from organza.display import display, preparing
    from organza.start import Request, training
    from organza.stop import Equilibrium, Plateau

    rules = {None: None, "plateau": (Plateau(),), "equilibrium": (Equilibrium(),), "budget": ()}[stop]
    asked = Request(data, run, recipe, budget, settings, size, channels, seed, rules, evaluate)
    if dry_run:
        from organza.dry import dry_run as describe

        with preparing() as progress:
            text = describe(asked, progress)
        print(text)
        return 0
    with preparing() as progress:
        events = training(asked, progress)
        first = next(events)
    return display(first, events, asked.folder.path)


def sample(
    run: Text,
    /,
    count: int = 64,
    seed: int = 0,
    out: Path | None = None,
    grid: bool = False,
    show: bool = False,
    checkpoint: str = "best",
) -> int:
    """Make new pictures with a trained generator. The same seed makes the same pictures.

    Args:
        run: the run's folder.
        count: how many.
        seed: which series of pictures.
        out: the folder to write to (default RUN/generated/seed-SEED).
        grid: write one picture with all of them instead of single files.
        show: draw them in the terminal as well.
        checkpoint: best, latest, or one's name such as 00012000.
    """
    from organza.display import draw
    from organza.infer import load
    from organza.pictures import grid as arrange
    from organza.pictures import save_png

    trained = load(run, checkpoint)
    _notes(trained.notes)
    folder = out or Path(run) / "generated" / f"seed-{seed}"
    kept, done = [], 0
    for pictures in trained.sampled(count, seed):
        if grid or show or done < 256:
            kept.extend(pictures)
        if not grid:
            for picture in pictures:
                save_png(picture, folder / f"{done:05d}.png")
                done += 1
    import numpy as np

    sheet = arrange(np.stack(kept[: count if grid else 256]))
    save_png(sheet, folder / "grid.png")
    if show:
        draw(sheet)
    told = f"a grid of {count} pictures" if grid else f"{count} pictures and grid.png"
    print(
        f"{told} in {folder} (seed {seed}, checkpoint {trained.saved.directory.name}, {trained.images:,} images seen)"
    )
    return 0


def judge(
    run: Text, images: tyro.conf.Positional[tuple[Path, ...]], /, json: bool = False, checkpoint: str = "latest"
) -> int:
    """Ask the discriminator: the probability that each picture is authentic, the least authentic first.

    Args:
        run: the run's folder.
        images: picture files and folders of them.
        json: print JSON instead of a table.
        checkpoint: best, latest, or one's name such as 00012000.
    """
    from organza.judging import as_json, as_table, judge_files

    verdicts, notes = judge_files(run, images, checkpoint)
    _notes(notes)
    print(as_json(verdicts) if json else as_table(verdicts))
    return 0


def recipes(name: tyro.conf.Positional[str | None] = None, /) -> int:
    """List the recipes with their sources and what to expect, or print one whole.

    Args:
        name: the recipe to print as JSON.
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from organza.part import encode
    from organza.recipe import everything, find
    from organza.start import DEFAULT_RECIPE

    if name is not None:
        print(json.dumps(encode(find(name)), indent=2))
        return 0
    table = Table(show_lines=True)
    for column in ("recipe", "source", "expect"):
        table.add_column(column, overflow="fold")
    for known, make in everything().items():
        recipe = make()
        table.add_row(known + (" (default)" if known == DEFAULT_RECIPE else ""), recipe.source, recipe.expect)
    Console().print(table)
    return 0


def data_check(data: Text, /, size: str | None = None) -> int:
    """Look at a folder or zip of images: what is there, what is broken, what to train it with.

    Args:
        data: the folder, zip or array file.
        size: pixels that you mean to train at, 64 or 96x64.
    """
    from rich.console import Console

    from organza.data import check, parse_size, render
    from organza.display import preparing

    with preparing() as progress:
        found = check(data, size=parse_size(size) if size else None, progress=progress)
    Console().print(render(found))
    return 0


def data_faces(out: Text, /, count: int = 20_000, size: int = 64, style: str = "adventurer", seed: int = 0) -> int:
    """Render cartoon faces, with a table of each face's attributes: data to begin with, and no download.

    Args:
        out: the folder to write to.
        count: how many.
        size: pixels.
        style: a DiceBear style: adventurer, micah, lorelei, notionists, ...
        seed: face k of a seed is always the same.
    """
    from organza.data import render_faces
    from organza.display import preparing

    with preparing() as progress:
        folder = render_faces(out, count=count, size=size, style=style, seed=seed, progress=progress)
    print(
        f"{count:,} faces in {folder}, their attributes in labels.csv, their licence in ATTRIBUTION.txt\nnext: organza train {folder}"
    )
    return 0


def data_fashion_mnist(
    out: Text, /, source: Path | None = None, split: Literal["train", "test"] = "train", download: bool = False
) -> int:
    """Write Fashion-MNIST as pictures in ten folders, from its idx files.

    Args:
        out: the folder to write to.
        source: the folder with the idx files (default: where Debian's dataset-fashion-mnist puts them).
        split: the 60,000 or the 10,000.
        download: fetch the files (about 30 MB) where they are not found; sizes and checksums are checked.
    """
    from organza.data import fashion_mnist
    from organza.display import preparing

    with preparing() as progress:
        folder = fashion_mnist(out, source=source, split=split, download=download, progress=progress)
    print(f"Fashion-MNIST ({split}) in {folder}\nnext: organza train {folder}")
    return 0


VERBS: dict[str, Callable[..., int]] = {"train": train, "sample": sample, "judge": judge, "recipes": recipes}
DATA_VERBS: dict[str, Callable[..., int]] = {
    "check": data_check,
    "faces": data_faces,
    "fashion-mnist": data_fashion_mnist,
}


def main(arguments: list[str] | None = None) -> None:
    """The entry point: exit code 0 for success, 2 for a mistake of the user's, 1 for one of ours, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        sys.exit(_run(arguments))
    except UserError as error:
        _say(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        _say("Interrupted.")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _run(arguments: list[str]) -> int:
    if arguments[:1] in (["--version"], ["-V"]):
        import organza

        print(f"organza {organza.__version__}")
        return 0
    words = [word for word in arguments[:2] if not word.startswith("-")]
    for verbs, word, before in ((VERBS | {"data": main}, words[:1], ""), (DATA_VERBS, words[1:2], "data ")):
        if before and words[:1] != ["data"]:
            break
        if word and word[0] not in verbs:
            raise UserError(
                f"There is no command organza {before}{word[0]}; there are {', '.join(verbs)}.{nearest(word[0], verbs)}"
            )
    config = (tyro.conf.FlagConversionOff, tyro.conf.OmitSubcommandPrefixes, tyro.conf.HelptextFromCommentsOff)
    config = (tyro.conf.OmitSubcommandPrefixes, tyro.conf.HelptextFromCommentsOff)
    if words[:1] == ["data"]:
        rest = [word for index, word in enumerate(arguments) if index != arguments.index("data")]
        return _call(DATA_VERBS, rest, "organza data", "Look at data, and make some.", config)
    return _call(
        VERBS | {"data": _data_help},
        arguments,
        "organza",
        "Generative adversarial networks: a folder of images in, a generator out.",
        config,
    )


def _data_help() -> int:
    """Look at data, and make some: check, faces, fashion-mnist."""
    return 0


def _call(verbs: dict[str, Callable[..., int]], arguments: list[str], program: str, about: str, config: Any) -> int:
    return tyro.extras.subcommand_cli_from_dict(
        verbs, prog=program, description=about, args=arguments or ["--help"], config=config
    )


def _notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        _say(f"note: {note}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
