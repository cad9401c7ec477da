"""The sections of a run's report, each a function that returns HTML, or "" if it does not apply."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from organza.config import own_modules, trust_hint
from organza.data.location import places
from organza.evaluation import tables
from organza.progress import words
from organza.report import vectors
from organza.report.embed import encoded, img, row, sheet_of, spaced
from organza.report.findings import begun, sentence
from organza.report.page import html, section
from organza.report.probe import Look
from organza.report.record import Record, as_text
from organza.report.verdict import COPIES, Verdict
from organza.run.events import NAMES
from organza.shell import quoted
from organza.stop import best

MOST_LINES = 2_000
"""Largest number of lines of recipe.json on a page."""


OF_NETWORKS = ("The most suspicious samples", "Most authentic", "Between two samples")
"""Titles of the sections that need the run's networks or its data; a page that has one is not replaced by one without."""


def opening(record: Record, seen: Look | None, found: Verdict) -> str:
    """Return the verdict with a few images, and the findings behind it."""
    shown = "" if seen is None else _beside(record, seen, found)
    data = record.content["data"]
    about = (
        f"<b>{html(record.name)}</b>: recipe {html(record.recipe)}, {int(data['count']):,} {record.unit} of {record.size}, "
        f"{record.images:,} {record.unit} seen in {words(record.seconds)}"
    )
    answers = "".join(
        f'<li class="finding {finding.tone}"><h3 class="question">{html(finding.question)}</h3>'
        f'<p class="answer">{html(finding.answer)}</p><p>{html(finding.why)}</p>'
        + (f'<p class="numbers">{html(finding.numbers)}</p>' if finding.numbers else "")
        + "</li>"
        for finding in found.findings
    )
    return (
        f'<p class="run">{about}</p><header class="verdict {found.tone}"><div><h1>{html(found.title)}</h1>'
        f'<p class="why">{html(found.why)}</p><p class="remedy">{html(found.remedy)}</p></div>{shown}</header>'
        f'<ul class="findings">{answers}</ul>'
    )


def _beside(record: Record, seen: Look, found: Verdict) -> str:
    """Return real and generated images; if the run copies, also the samples that show it and the
    images they repeat.
    """
    rows = [("Real", "A real one", seen.real), ("Generated", "A generated one", seen.made)]
    if found.title.startswith(COPIES) and seen.copies is not None:
        pairs = seen.copies.pairs
        rows = [
            ("Generated, the most suspicious of many", "A generated one", [pair.sample for pair in pairs]),
            ("The training image that each is nearest to", "A training image", [pair.training for pair in pairs]),
        ]
    parts = []
    for title, alt, shown in rows:
        if shown is not None and len(shown):
            cells = "".join(img(picture, f"{alt}, number {index}") for index, picture in enumerate(shown, 1))
            parts.append(f'<div><h2>{title}</h2><div class="eight">{cells}</div></div>')
    return f'<div class="beside">{"".join(parts)}</div>' if parts else ""


def noted(notes: Sequence[str]) -> str:
    """Return notes about missing parts."""
    return "".join(f'<p class="small sub">Note: {html(note)}</p>' for note in notes)


def samples(record: Record) -> str:
    """Return samples of the same latents during training, with a slider, beside real images."""
    found, left_out = [], []
    for path in spaced(record.sheets):
        try:
            found.append((int(path.stem), encoded(sheet_of(path, record.path))))
        except OSError as error:  # damaged, or removed in the meantime
            left_out.append(f"samples/{path.name} is left out: {error.strerror or error}")
    if not found:
        return noted(left_out)
    clock, last = dict(record.clock()), len(found) - 1
    kept = best(record.checks).images if record.checks else found[last][0]
    shown = min(range(len(found)), key=lambda index: abs(found[index][0] - kept))
    unit = "translations" if record.translates else f"generated {record.unit}"
    pictures = []
    for index, (images, source) in enumerate(found):
        near = min(clock, key=lambda known: abs(known - images))
        told = f"after {images:,} {record.unit}" + (f", {words(clock[near])}" if images and near else "")
        told += ", kept as the best" if images == kept and record.checks else ""
        pictures.append(
            f'<img alt="Grid of {unit} {told}" data-told="{told}" src="{source}"{" hidden" if index != shown else ""}>'
        )
    slider = (
        '<div class="slider" id="over-time" hidden><button id="play" type="button">Play</button>'
        f'<input id="moment" type="range" min="0" max="{last}" value="{shown}" aria-label="Moment of the training"></div>'
        if last
        else ""
    )
    generated = (
        f'<figure class="sheet"><figcaption>Generated <span id="moment-told">after {found[shown][0]:,} {record.unit}</span></figcaption>'
        f'<div id="sheets">{"".join(pictures)}</div></figure>'
    )
    return section(
        "Training progress",
        "The same inputs each time, with their translations beside them." if record.translates else
        "The same latents each time: drag the slider to see what the generator made of them.",
        slider, '<div class="time">', generated, _real(record), "</div>", noted(left_out),
    )  # fmt: skip


def _real(record: Record) -> str:
    """Return the grid of real images as a figure; "" if there is none."""
    path = record.path / "samples" / "real.png"
    try:
        source = encoded(sheet_of(path, record.path))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return noted([f"samples/real.png is left out: {error.strerror or error}"])
    named = "Real targets" if record.translates else "Real"
    return (
        f'<figure class="sheet"><figcaption>{named}</figcaption>'
        f'<img alt="Grid of real {html(record.unit)} for comparison" src="{source}"></figure>'
    )


def copies(record: Record, seen: Look | None) -> str:
    """Return the samples that are nearest to training images."""
    if seen is None or seen.copies is None:
        return ""
    if seen.vectors is not None:
        return vectors.nearest(seen)
    measure = "unseen real images" if seen.copies.against == "held-out" else "training images from each other"
    cells = "".join(
        f'<li><div class="pair">{img(pair.sample, "A generated sample")}{img(pair.training, "The nearest training image")}</div>'
        f"<p><b>{pair.distance:.0%}</b> of the usual distance, from {html(pair.name)}</p></li>"
        for pair in seen.copies.pairs
    )
    return section(
        "The most suspicious samples",
        f"Left a sample, right its nearest training image, as thumbnails; the usual distance is that of {measure}. "
        "Far below 100% and alike to your eye: a copy. At 100% or more: coincidence.",
        f'<ul class="cells pairs">{cells}</ul>',
    )


def authentic(seen: Look | None) -> str:
    """Return the samples that the discriminator finds the most and the least authentic."""
    if seen is None or seen.judged is None:
        return ""
    unit, parts = "images" if seen.vectors is None else "vectors", []
    for title, (pictures, chances) in (("Most authentic", seen.judged.most), ("Least authentic", seen.judged.least)):
        cells = "".join(
            f"<li>{img(picture, f'A generated sample, {chance:.0%} authentic')}<p><b>{chance:.1%}</b></p></li>"
            for picture, chance in zip(pictures, chances, strict=True)
        )
        if cells:
            parts.append(f'<h3 class="sub">{title}</h3><ul class="cells">{cells}</ul>')
    told = [f"It takes {seen.judged.samples.value:.0%} of the samples for real"]
    if seen.judged.held_out is not None:
        told.append(f"and {seen.judged.held_out.value:.0%} of real {unit} that it never saw")
    return section(
        "Output of the discriminator",
        f"The probability of being real that the discriminator assigns to samples. {' '.join(told)}.",
        *parts,
    )


def ways(seen: Look | None) -> str:
    """Return interpolations between samples, and reconstructions by an encoder."""
    if seen is None:
        return ""
    parts = []
    if seen.ways is not None:
        rows = "".join(row(way, f"{len(way)} generated images that change step by step") for way in seen.ways)
        parts.append(
            section(
                "Between two samples",
                "Each row interpolates between two latents. Smooth and sensible throughout: the generator has "
                "learned the structure of such images. Jumps, or one image throughout: it has memorised a few.",
                f'<div class="ways">{rows}</div>',
            )
        )
    if seen.encoded is not None:
        real, again = seen.encoded
        parts.append(
            section(
                "Reconstructions",
                "Above real images, below the generator's reconstructions from their latents.",
                f'<div class="ways">{row(real, "Real images")}{row(again, "Their reconstructions")}</div>',
            )
        )
    return "".join(parts)


def methods(seen: Look | None) -> str:
    """Return the generator beside simple methods on the same held-out inputs."""
    if seen is None or not seen.methods:
        return ""
    parts = []
    for group, rows in seen.methods.items():
        head = "".join(f"<th>{html(name)}</th>" for name in tables.BESIDE.values())
        body = "".join(
            f"<tr><td>{html(method)}</td>"
            + "".join(f"<td>{html(tables.shown(scores.get(name)))}</td>" for name in tables.BESIDE)
            + "</tr>"
            for method, scores in rows.items()
        )
        parts.append(
            f'<h3 class="sub">{html(group)}</h3><div class="wide"><table><thead><tr><th></th>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )
    return section(
        "Beside simple methods",
        "The same held-out inputs. PSNR and SSIM favour the mean of all that is possible, which is smooth; the perceptual distance "
        "and the MMD favour what looks like the originals. A game gives up a little of the first for the second.",
        *parts,
    )


def health(record: Record) -> str:
    """Return facts about the run's health, and its events."""
    rate = record.stats[-1].get("rate") if record.stats else None
    passes = record.images / max(record.trained_on, 1)
    facts = {
        f"{record.unit} seen": f"{record.images:,}: each of {record.trained_on:,} training {record.unit} about {passes:,.1f} times",
        "time": f"{words(record.seconds)}" + (f", {rate:,.1f} {record.unit} a second" if rate else ""),
        "measured": f"{len(record.checks)} times, against {record.card().get('real', 0):,} {record.card().get('split', '')} {record.unit}"
        if record.checks else "not at all",
        "warnings": str(sum(line.get("event") == "warned" for line in record.events) or "none"),
        "resumed": str(sum(line.get("event") == "resumed" for line in record.events) or "never"),
    }  # fmt: skip
    if told := record.evaluations[-1]["health"].get("text") if record.evaluations else None:
        facts["at the last evaluation"] = sentence(begun(str(told)))
    if record.ended is None:
        facts["ended"] = "not yet, or it was killed; the command below resumes it"
    rows = "".join(
        f"<tr><td>{html(str(line.get('time', ''))[:19].replace('T', ' '))}</td><td>{html(str(line.get('event', '')))}</td>"
        f"<td>{int(line.get('images', 0)):,}</td><td>{html(str(line.get('text', '')))}</td></tr>"
        for line in record.events[-40:]
    )
    table = (
        '<h3 class="sub">Events</h3><div class="wide events"><table><thead>'
        "<tr><th>when</th><th>what</th><th>images</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    return section("Health and events", "", _facts(facts), table if rows else "")


def recipe(record: Record) -> str:
    """Return the recipe, data and versions of the run."""
    content, data = record.content, record.content["data"]
    facts = {
        "recipe": f"{record.recipe}. {as_text(content['recipe'].get('source', ''))}",
        "data": f"{data.get('source', '')}: {int(data['count']):,} {record.unit}, {record.held_out:,} of them held out",
        "fingerprint": str(data.get("fingerprint", ""))[:16],
        "budget": str(content.get("plan", {}).get("budget", "")),
        "seed": str(content.get("asked", {}).get("seed", "")),
        "versions": ", ".join(f"{name} {as_text(value)}" for name, value in list(content["versions"].items())[:20]),
    }
    if extractor := record.card().get("extractor"):
        facts["measured with"] = f"{extractor.get('name', '')}, weights {str(extractor.get('weights', ''))[:12]}"
    whole = json.dumps(content, indent=1, ensure_ascii=False).splitlines()
    shown = "\n".join(map(html, whole[:MOST_LINES])) + ("\n..." if len(whole) > MOST_LINES else "")
    more = f'<details class="recipe"><summary>full recipe.json</summary><pre>{shown}</pre></details>'
    return section("Recipe and versions", "", _facts({k: v for k, v in facts.items() if v}), more)


def commands(record: Record) -> str:
    """Return the section of next commands."""
    found = "".join(
        f'<div><p>{html(what)}</p><pre class="command">{html(line)}</pre></div>' for what, line in next_commands(record)
    )
    code = "\n".join(map(html, in_python(record)))
    same = f'<div><p>The same from Python</p><pre class="command">{code}</pre></div>'
    return section("What next", "", f'<div class="commands">{found}{same}</div>')


def in_python(record: Record) -> list[str]:
    """Return lines of Python that use the run."""
    path = str(record.path)
    named = own_modules([record.content["recipe"], record.content["players"]])
    own = sorted(name for name in named if all(part.isidentifier() for part in name.split(".")))
    lines = ["import organza", f"run = organza.load({path!r}{f', modules={own!r}' if own else ''})"]
    if record.translates:
        lines.append("images = run.translate(images)  # uint8 [N, H, W, C]")
    elif record.unit != "images":
        lines.append(f"{record.unit} = run.sample(64, seed=7)")
    else:
        lines += ["images = run.sample(64, seed=7)  # uint8 [N, H, W, C]", "chances = run.judge(images)"]
    return [*lines, "first, *others = organza.evaluate(run)"]


def next_commands(record: Record) -> list[tuple[str, str]]:
    """Return things to do with the run next, each with its command, ready to paste."""
    run, data = quoted(record.path), _typed_data(record)
    own = trust_hint(record.content)
    found = [
        ("Resume, with a larger budget than " + str(record.content.get("plan", {}).get("budget", "the last")),
         f"organza train {data} --run {run} --budget BUDGET{own}"),
    ]  # fmt: skip
    if record.ended is None or record.ended.get("kind") in NAMES:
        found[0] = ("Resume the run", f"organza train {data} --run {run}{own}")
    if record.ended and record.ended.get("kind") == "non-finite":
        rates = "--set generator_optimizer.rate=1e-4 discriminator_optimizer.rate=1e-4"
        found[0] = ("Start again, with smaller learning rates", f"organza train {data} --run NEW-FOLDER {rates}")
    if record.translates:
        found.append(("Translate images", f"organza translate {run} INPUT OUTPUT{own}"))
    else:
        if record.unit == "vectors":
            found.append(("Generate new vectors", f"organza sample {run} --count 1000 --seed 7 --out samples.csv{own}"))
        else:
            found.append(("Generate new images", f"organza sample {run} --count 64 --seed 7{own}"))
            found.append(("Draw a clip, a walk through three images", f"organza walk {run} --seeds 1,5,9{own}"))
            found.append(("Judge images with the discriminator", f"organza judge {run} IMAGES{own}"))
    if str(record.content["players"]["generator"].get("part", "")).endswith("codes:Generator"):
        found.append(("Show the effect of a code", f"organza sample {run} --traverse 0"))
    found.append(("Evaluate with more feature networks, and search for copies", f"organza evaluate {run}"))
    if record.unit != "vectors":
        found.append(("Tell real images from generated ones yourself", f"organza quiz {run}"))
    found.append(("Compare with another run", f"organza compare {run} OTHER-RUN"))
    return found


def _typed_data(record: Record) -> str:
    """Return the data's path for a command: as the user gave it, if it still leads to the data,
    since a page may be shared.
    """
    source, found = record.content["data"]["source"], places(record.content, record.path)
    if not found or isinstance(found[0], str) or Path(source).resolve() == found[0].resolve():
        return quoted(source)
    return quoted(found[0])


def _facts(facts: dict[str, str]) -> str:
    return f'<dl class="facts">{"".join(f"<dt>{html(k)}</dt><dd>{html(v)}</dd>" for k, v in facts.items())}</dl>'
