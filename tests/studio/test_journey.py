"""A user's way through the studio in a real browser: images, training, pause, resume, a longer budget, play, export; the
studio is killed in between, and its page goes on by itself. The console stays silent, axe-core finds nothing."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import organza
from organza.recipes import get
from tests.contracts.discovery import small
from tests.studio.server import Studio, wait_for

pytest.importorskip("playwright")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]
WAIT = 120_000
SIZES = {"phone": (390, 844), "desk": (1440, 950)}
LOST = (
    "Canvas2D: Multiple readback",
    "Failed to load resource",
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
)
"""Messages that the browser itself writes while the studio is dead."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A run that can be played with."""
    place = tmp_path_factory.mktemp("trained")
    recipe = small(get("swift"))
    organza.train(
        pictures, place / "runs" / "drawn", recipe=recipe, size=32, budget="48img", evaluate=False, report=False
    )
    return place


@pytest.fixture(scope="module")
def studio(trained: Path, pictures: Path) -> Iterator[Studio]:
    data = trained / "data"
    shutil.copytree(pictures, data / "drawings")
    served = Studio(trained / "runs", data).start()
    yield served
    served.end()


@pytest.fixture(autouse=True)
def _pages_are_closed(browser: Any) -> Iterator[None]:
    """Close all pages after a test: an open one goes on listening and drawing."""
    yield
    for context in browser.contexts:
        context.close()


class Opened:
    """A page of the studio that listens to its console."""

    def __init__(self, browser: Any, studio: Studio, size: str = "desk", **options: Any):
        width, height = SIZES[size]
        self.studio, self.told = studio, list[str]()
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.goto(studio.link)
        self.page.wait_for_selector("html[data-state=ready]")
        assert "token" not in self.page.url

    def go(self, path: str) -> Any:
        self.page.goto(f"http://{self.studio.host}{path}")
        self.page.wait_for_selector("html[data-state=ready]")
        return self.page

    def silent(self) -> list[str]:
        return [text for text in self.told if not any(lost in text for lost in LOST)]


def soon(what: Callable[[], Any], seconds: float = 120) -> Any:
    return wait_for(what, seconds)


def violations(page: Any) -> list[str]:
    """What axe-core finds, above minor."""
    axe = pytest.importorskip("axe_playwright_python")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]} ({len(one['nodes'])})"
        for one in found
        if one["impact"] != "minor"
    ]


def pixels(page: Any) -> list[int]:
    """What the large image shows, channel by channel."""
    values = page.evaluate(
        "() => { const c = document.querySelector('canvas.large');"
        " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }"
    )
    return [value for number, value in enumerate(values) if number % 4 != 3]


def state(page: Any) -> str:
    return page.locator(".head .state").first.inner_text()


def drop(opened: Opened, place: Path) -> None:
    """Drop a file or a folder onto the page, as a user's file manager does."""
    devices = opened.context.new_cdp_session(opened.page)
    carried = {"items": [], "files": [str(place)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devices.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 500, "data": carried})


def classes(place: Path, pictures: Path) -> Path:
    """A folder of images in two classes, with files that are no images, as file managers leave them."""
    for number, path in enumerate(sorted(pictures.iterdir())[:9]):
        inner = place / ("cats" if number < 5 else "dogs")
        inner.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, inner / path.name)
    (place / ".DS_Store").write_bytes(b"hidden")
    (place / "notes.txt").write_text("of a holiday", encoding="utf-8")
    (place / "broken.png").write_bytes(b"no image")
    return place


def check_start(opened: Opened, studio: Studio, place: Path) -> None:
    """The page of a new run, from a dropped folder to a command, says at each step what it waits for."""
    page, summary = opened.page, opened.page.locator("#summary")
    assert summary.inner_text() == "Choose images or a table above."
    assert page.locator("#start").is_disabled()
    drop(opened, place)
    page.get_by_role("heading", name="my pets: 9 usable images").wait_for()
    assert {path.parent.name for path in studio.data.rglob("*.png")} == {"cats", "dogs"}
    step = page.locator(".steps section").first.inner_text()
    for text in ("1 other file left out", "broken.png: This is not a usable image", "classes: cats (5), dogs (4)"):
        assert text in step
    assert summary.inner_text() == "9 images, 20m, recipe chosen automatically"
    page.get_by_role("button", name="1 min", exact=True).click()
    assert page.get_by_label("Budget", exact=True).input_value() == "1m"
    page.get_by_label("Budget", exact=True).fill("90s")
    assert page.locator("[aria-label='Usual times'] [aria-pressed=true]").count() == 0
    groups = page.locator("#recipe optgroup")
    soon(lambda: groups.count() > 3)
    assert page.locator("optgroup[label='Pairs of images'] option").all_inner_texts() == ["pix2pix"]
    page.locator("#recipe").select_option("swift")
    assert page.locator("#expect").inner_text().startswith("swift: images, in little time. Faces at 64x64")
    assert "--recipe swift --budget 90s" in page.locator(".steps .code").last.inner_text()
    page.locator("#recipe").select_option("")
    drop(opened, place / "cats")  # of another folder: a set of its own
    page.get_by_role("heading", name="cats: 5 usable images").wait_for()
    assert page.locator("#name").input_value() == "cats"
    page.route("**/api/data/upload*", lambda route: route.abort())  # the studio is gone for a moment
    page.locator("input[data-folder]").set_input_files(place / "dogs")
    page.get_by_text("0 images copied; 4 are missing").wait_for()
    page.unroute("**/api/data/upload*")
    page.get_by_role("button", name="Copy the other 4").click()
    page.get_by_role("heading", name="dogs: 4 usable images").wait_for()
    page.get_by_role("button", name="A folder", exact=True).click()
    page.get_by_role("button", name="▸ my pets").click()
    page.get_by_role("button", name="▸ dogs").click()
    page.get_by_role("button", name="Use this folder (4 images)").wait_for()
    choose_a_table(page, studio)


def choose_a_table(page: Any, studio: Studio) -> None:
    """A table of numbers has a budget in vectors and no size; images after it have theirs again."""
    (studio.data / "ring.csv").write_text(
        "x,y\n" + "".join(f"{row},{row % 7}\n" for row in range(600)), encoding="utf-8"
    )
    page.locator(".crumbs button").first.click()
    page.get_by_role("button", name="▦ ring.csv").click()
    page.get_by_role("button", name="Use this table").click()
    page.get_by_role("heading", name="ring.csv: 600 rows of 2 columns").wait_for()
    assert page.locator("#summary").inner_text() == "600 rows, 500kimg, recipe chosen automatically"
    assert page.locator("#size").is_disabled()
    page.locator(".crumbs button").first.click()
    page.get_by_role("button", name="▸ cats").click()
    page.get_by_role("button", name="Use this folder (5 images)").click()
    page.get_by_role("heading", name="cats: 5 usable images").wait_for()
    assert page.locator("#budget").input_value() == "20m"
    assert page.locator("#size").is_enabled()


def test_from_drawn_images_to_an_export_while_the_studio_dies(browser: Any, tmp_path: Path, pictures: Path):
    studio = Studio(tmp_path / "runs", tmp_path / "data")
    studio.data.mkdir()
    opened = Opened(browser, studio.start())
    page = opened.page
    page.get_by_role("link", name="Start the first run").click()
    check_start(opened, studio, classes(tmp_path / "my pets", pictures))
    page.get_by_role("button", name="Built-in").click()
    page.locator("#made-count").fill("80")
    page.locator("#made-size").fill("16")
    page.locator("[data-set=faces]").click()
    page.get_by_role("heading", name="faces: 80 usable images").wait_for()
    page.locator("#recipe").select_option("mlp")
    page.locator("#budget").fill("1Mimg")
    assert "--recipe mlp" in page.locator(".steps .code").last.inner_text()
    page.locator("#start").click()
    page.wait_for_url("**/run/faces")
    page.get_by_text("training", exact=True).first.wait_for()
    page.locator(".sheet button.cell").first.wait_for()
    page.locator(".plot canvas").first.wait_for()

    studio.kill()  # the run goes on, and the studio that is started next finds it
    run = tmp_path / "runs" / "faces"
    size = (run / "stats.jsonl").stat().st_size
    soon(lambda: (run / "stats.jsonl").stat().st_size > size)
    page.locator(".link.lost").wait_for()
    studio.start()
    page.locator(".link:not(.lost)").wait_for()  # the page connects again by itself
    seen = studio.get("/api/runs/faces")["state"]["images"]
    soon(lambda: int(page.locator(".pulse dd").first.inner_text().split()[0].replace(",", "")) >= seen)

    page.locator("#stop").focus()
    page.keyboard.press("Enter")
    soon(lambda: state(page) == "paused")
    seen = studio.get("/api/runs/faces")["state"]["images"]
    page.locator("#resume").click()
    soon(lambda: state(page) in ("starting", "training"))
    soon(lambda: studio.get("/api/runs/faces")["state"]["images"] > seen)
    page.locator("#stop").click()
    soon(lambda: state(page) == "paused")
    page.locator("#extend").click()
    page.locator("dialog input").fill("3 apples")
    page.get_by_role("button", name="Resume with this budget").click()
    page.locator("dialog .problem").filter(has_text="it must be a time").wait_for()
    longer = studio.get("/api/runs/faces")["state"]["images"] + 64
    page.locator("dialog input").fill(f"{longer}img")
    page.get_by_role("button", name="Resume with this budget").click()
    soon(lambda: state(page) == "finished")
    page.locator("#export").click()
    page.get_by_role("link", name="index.html").wait_for()
    assert (run / "export" / "index.html").stat().st_size > 10_000
    page.get_by_role("button", name="Show the report").wait_for()
    assert violations(page) == []
    assert studio.memory() < 300
    assert opened.silent() == []
    assert studio.end() < 5


def test_play(browser: Any, studio: Studio, trained: Path):
    opened = Opened(browser, studio)
    page = opened.go("/play/drawn?at=3.0")
    large = page.locator("canvas.large[data-query='at=3.0']")
    large.wait_for()
    wanted = organza.load(trained / "runs" / "drawn").sample(1, seed=3)[0]
    assert pixels(page) == wanted.flatten().tolist()
    if page.locator(".direction input[type=range]").count() == 0:
        page.get_by_text("No direction stands out").or_(page.locator(".direction input[type=range]").first).wait_for()
    tile = page.get_by_role("button", name="Sample 1 of seed 3", exact=True).element_handle()
    page.get_by_role("slider", name="Truncation").fill("0.5")
    soon(lambda: page.locator("canvas.large").get_attribute("data-query") == "at=3.0&psi=0.5")
    assert page.url.endswith("/play/drawn?at=3.0&psi=0.5")
    assert "sample(1, seed=3, truncate=0.5)[0]" in page.locator(".code").first.inner_text()

    page.keyboard.press("p")
    assert page.locator(".pins li").count() == 1  # at once: its image is drawn already
    assert page.locator("#said").inner_text() == "Pinned: 1 image now."
    assert tile.evaluate("element => element.isConnected")  # the grid is drawn anew into the same buttons
    page.get_by_role("button", name="Variations of this one").click()
    page.get_by_role("button", name="Variation 5", exact=True).click()
    soon(lambda: "toward=" in (page.locator("canvas.large").get_attribute("data-query") or ""))
    address = page.url
    drawn = organza.studio.picture(trained / "runs" / "drawn", address)  # type: ignore[attr-defined]
    assert pixels(page) == drawn.flatten().tolist()
    page.locator("#pin").click()
    soon(lambda: page.locator(".pins li").count() == 2)
    page.locator("#clip").click()
    assert "Pinned" not in page.locator("#said").inner_text()
    with page.expect_download() as saved:
        page.locator("#save-clip").click()
    with Image.open(saved.value.path()) as clip:
        times = []
        for frame in range(clip.n_frames):  # type: ignore[attr-defined]
            clip.seek(frame)
            clip.load()
            times.append(clip.info["duration"])
        assert (clip.format, sum(times)) == ("WEBP", 50 * 40)  # equal frames are stored as one
        assert b"trainedAlgorithmicMedia" in clip.info["xmp"]

    page.locator("input[type=file]").set_input_files(trained / "data" / "drawings" / "003.png")
    page.locator("#edit").click()
    soon(lambda: "at=" in page.url and len(page.url.partition("at=")[2].partition("&")[0]) == 16)
    soon(lambda: page.locator("canvas.large").get_attribute("data-query") == page.url.partition("?")[2])
    page.get_by_role("button", name="Ask the discriminator").click()
    page.locator("input[type=file]").set_input_files([trained / "data" / "drawings" / f"{n:03d}.png" for n in range(3)])
    soon(lambda: page.locator(".judged meter").count() == 3)
    page.locator("input[type=file]").set_input_files(trained / "runs" / "drawn" / "recipe.json")
    page.get_by_text("not a usable image").wait_for()
    assert violations(page) == []
    assert opened.silent() == []


@pytest.fixture
def filling(trained: Path, pictures: Path) -> Iterator[None]:
    """A run that fills, among the others for one test."""
    run, recipe = trained / "runs" / "filling", small(get("fill-light"), blocks=1)
    organza.train(pictures, run, recipe=recipe, size=32, budget="16img", evaluate=False, report=False)
    yield
    shutil.rmtree(run)


@pytest.mark.usefixtures("filling")
def test_a_hole_is_painted_and_filled(browser: Any, studio: Studio, trained: Path):
    opened = Opened(browser, studio)
    page = opened.go("/play/filling")
    page.locator("input[type=file]").set_input_files(trained / "data" / "drawings" / "003.png")
    canvas = page.locator("canvas.paintable")
    box = canvas.bounding_box()
    page.locator("#fill").click()
    page.get_by_text("Erase what should be filled").wait_for()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.4)
    page.mouse.up()
    page.locator("#fill").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save").click()
    given = np.asarray(Image.open(trained / "data" / "drawings" / "003.png").convert("RGB"))
    made = np.asarray(Image.open(saved.value.path()).convert("RGB"))
    hole = np.zeros(given.shape[:2], bool)
    height, width = hole.shape
    hole[int(height * 0.3) : int(height * 0.5) + 1, int(width * 0.3) : int(width * 0.7) + 1] = True
    assert (made != given).any()
    assert (made == given)[~hole].all()
    assert violations(page) == []
    assert opened.silent() == []


def test_a_kept_address_opens_again_and_a_wrong_one_is_told(browser: Any, studio: Studio):
    opened = Opened(browser, studio)
    page = opened.go("/play/drawn?at=5.2&toward=9.1@0.3&moves=1&psi=0.7")
    soon(lambda: page.locator("canvas.large").get_attribute("data-query") == "at=5.2&toward=9.1@0.3&moves=1&psi=0.7")
    page = opened.go("/play/drawn?at=00000000000000ff")
    page.get_by_text("The kept latent 00000000000000ff of drawn is gone").first.wait_for()
    page = opened.go("/run/nothing")
    page.get_by_text("There is no run nothing").wait_for()


def test_a_run_says_why_it_ended_where_it_did_and_a_table_is_not_played(browser: Any, studio: Studio):
    for name in ("rows", "timed"):
        aside = studio.runs.parent / name  # the studio sees a run when it is whole
        shutil.copytree(studio.runs / "drawn", aside)
        recipe = json.loads((aside / "recipe.json").read_text(encoding="utf-8"))
        if name == "rows":
            recipe["data"]["shape"] = [3]
        else:
            last = json.loads((aside / "stats.jsonl").read_text(encoding="utf-8").splitlines()[-1])
            recipe["plan"] |= {"budget": "7s", "seconds": last["seconds"], "images": 6000}
        (aside / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8", newline="\n")
        aside.rename(studio.runs / name)
    try:
        opened = Opened(browser, studio)
        page = opened.go("/run/timed")
        page.get_by_text("48 images were seen in it. The 6,000 that were expected are an estimate").wait_for()
        assert "of about" not in page.locator(".pulse").inner_text()
        assert page.locator(".controls a.main").inner_text() == "Play"
        assert page.locator(".head .lead").inner_text() == "The budget of 48img is spent."
        drop(opened, studio.runs / "timed" / "recipe.json")  # beside every place for it: nothing happens
        page = opened.go(
            "/play/rows"
        )  # which the list of runs may lack, as the studio looks for new ones from time to time
        page.get_by_role("heading", name="rows generates numbers").wait_for()
        assert f"organza sample {studio.runs / 'rows'} --count 1000" in page.locator(".code").inner_text()
        page = opened.go("/run/rows")
        page.get_by_text("3 columns").wait_for()
        assert page.get_by_label("Web page").is_hidden()
        assert page.locator("#difference").count() == 0
        page = opened.go("/compare")
        page.locator(".head button[aria-pressed=true]").first.wait_for()
        chosen = page.locator(".head button[aria-pressed=true]").all_inner_texts()
        assert chosen in (
            ["drawn", "timed"],
            ["timed", "drawn"],
            ["rows"],
        )  # of one size, whose numbers can be compared
        assert opened.silent() == []
    finally:
        shutil.rmtree(studio.runs / "rows")
        shutil.rmtree(studio.runs / "timed")


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ("phone", "dark"),
        ("desk", "light"),
        *(pytest.param(*other, marks=pytest.mark.long) for other in (("phone", "light"), ("desk", "dark"))),
    ],
)
def test_every_page_fits_its_screen_and_everyone(browser: Any, studio: Studio, size: str, scheme: str):
    opened = Opened(browser, studio, size, color_scheme=scheme, reduced_motion="reduce")
    for path in ("/", "/new", "/run/drawn", "/play/drawn?at=1.0", "/compare?runs=drawn", "/classroom"):
        page = opened.go(path)
        page.locator("main h1").first.wait_for()
        page.wait_for_timeout(800)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert violations(page) == [], path
    assert opened.silent() == []


def test_by_keyboard_alone(browser: Any, studio: Studio):
    opened = Opened(browser, studio)
    page = opened.page
    page.locator(".run-card").first.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "drawn":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/run/drawn")
    page.locator(".sheet button.cell").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.at") == "1"
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    soon(lambda: page.get_by_role("dialog").count() == 0)


def test_names_are_text(browser: Any, studio: Studio):
    odd = studio.runs / "<img src=x onerror=alert(1)>"
    shutil.copytree(Path(__file__).parents[1] / "fixtures" / "format-2", odd)
    try:
        opened = Opened(browser, studio)
        opened.page.get_by_text(odd.name).first.wait_for()
        opened.page.get_by_role("link", name=odd.name).click()
        opened.page.get_by_role("heading", name=odd.name).wait_for()
        assert opened.page.locator("img[src=x]").count() == 0
        assert opened.silent() == []
    finally:
        shutil.rmtree(odd)


def test_a_page_that_rebinds_its_name_reads_nothing(browser: Any, studio: Studio):
    page = Opened(browser, studio).context.new_page()
    answer = page.goto(f"http://evil.test:{studio.port}/")
    assert answer.status == 403
    page.goto("data:text/html,<title>elsewhere</title>")
    told = page.evaluate(
        "async (at) => { try {"
        " const r = await fetch(at + '/api/runs/drawn/stop', {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}'});"
        " return r.type; } catch (e) { return String(e); } }",
        f"http://localhost:{studio.port}",
    )
    assert told == "opaque" or "Failed to fetch" in told
    assert json.loads((studio.runs / "drawn" / "latest.json").read_text())


def test_seven_tabs_and_twenty_browsers_live_from_one_stream_each(browser: Any, studio: Studio):
    first = Opened(browser, studio)
    pages = [first.page] + [first.context.new_page() for _ in range(7)]
    for page in pages[1:]:
        page.goto(f"http://{studio.host}/")
        page.locator(".run-card").first.wait_for()
    began = time.monotonic()
    for _ in range(2):
        Opened(browser, studio)
    streams = [_stream(studio) for _ in range(18)]
    events = studio.runs / "drawn" / "events.jsonl"
    before = events.read_bytes()
    try:
        with events.open("ab") as file:
            file.write(b'{"event": "warned", "text": "hello from the test", "images": 48}\n')
        (studio.runs / "drawn" / "stats.jsonl").open("ab").close()
        for stream in streams:
            assert b"event: all" in stream.recv(65536)
    finally:
        events.write_bytes(before)
        for stream in streams:
            stream.close()
    assert time.monotonic() - began < 120


def _stream(studio: Studio) -> Any:
    import socket

    place = socket.create_connection(("127.0.0.1", studio.port), 30)
    place.sendall(f"GET /api/events HTTP/1.1\r\nHost: {studio.host}\r\nCookie: {studio.cookie}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += place.recv(1)
    return place


def test_the_classroom_plays_a_preset_and_its_cure(browser: Any, studio: Studio):
    opened = Opened(browser, studio)
    page = opened.go("/classroom")

    def steps() -> int:
        told = page.locator("dl.pulse dd").first
        return int(told.text_content().replace(",", "")) if told.count() else 0

    page.click("[data-name=collapse]")
    soon(lambda: steps() > 20)
    page.click("#play")
    page.click("#cure")
    page.get_by_role("heading", name="The game in balance").wait_for()
    page.wait_for_function(  # looks at every frame: soon after, there are more steps
        "() => { const told = document.querySelector('dl.pulse dd'); const steps = Number(told?.textContent.replace(',', ''));"
        " return steps > 0 && steps < 20; }"
    )
    page.click("#play")
    assert page.input_value("#set-loss") == "relativistic"
    assert "loss=relativistic" in page.url
    assert violations(page) == []
    assert opened.silent() == []
