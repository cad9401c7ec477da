"""Every way to end is a word: real processes, real signals, real pipes.

Most of the processes are forked from this one; those of `started` and `call` are Python's from its start to its end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.drawings import drawing
from tests.forks import Forked, forked

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and pipes as POSIX has them")
TINY = [
    "--recipe",
    "swift",
    "--size",
    "16",
    "--no-report",
    "--set",
    "generator.width=4",
    "discriminator.width=4",
    "batch=8",
]
ENDING = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # tests under nohup pass that on
    ENDING.append((signal.SIGHUP, 129))
ORGANZA = [sys.executable, "-m", "organza"]
LONG = "1000000img"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "photos"
    folder.mkdir()
    for seed in range(24):
        drawing(seed, 32, 32).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def trained(few: Path) -> Path:
    run = few.with_name("run")
    ended = forked("train", few, "--run", run, "--budget", "16img", "--no-evaluate", *TINY)
    assert ended.returncode == 0, ended.stderr
    return run


def call(*arguments: object, encoding: str = "utf-8:strict") -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"PYTHONIOENCODING": encoding}
    return subprocess.run([*ORGANZA, *map(str, arguments)], env=env, check=False, capture_output=True, timeout=120)


def started(*arguments: object) -> subprocess.Popen[bytes]:
    command = [*ORGANZA, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def last_event(run: Path) -> dict:
    return json.loads((run / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1])


def stepping(run: Path) -> bool:
    return (run / "samples" / "00000000.png").exists()


# ---- output that cannot show, or is not there -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1:strict"])
def test_a_training_ends_well_where_the_output_knows_few_signs(encoding: str, few: Path, tmp_path: Path):
    ended = forked("train", few, "--run", tmp_path / "run", "--budget", "16img", *TINY, encoding=encoding)
    assert ended.returncode == 0, ended.stderr
    assert (b"+-" if encoding.startswith("ascii") else b"\xb1") in ended.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["recipes"], ["data", "check", "FEW"]], ids=str)
def test_every_page_of_help_and_every_table_can_be_shown_in_ascii(arguments: list[str], few: Path):
    show = call if arguments == ["--help"] else forked
    ended = show(*(few if word == "FEW" else word for word in arguments), encoding="ascii:strict")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.decode("ascii")
    assert b"\\u" not in ended.stdout


@POSIX
@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_names_that_are_no_text_are_spelt_out(encoding: str, few: Path, tmp_path: Path):
    place = os.fsencode(tmp_path) + b"/d\xe9cor\x1b[2J"
    shutil.copytree(os.fsencode(few), place)
    for arguments in (["data", "check", os.fsdecode(place)], ["train", os.fsdecode(place), "--recipe", "nothing"]):
        ended = forked(*arguments, encoding=encoding)
        assert b"Traceback" not in ended.stderr
        assert b"\x1b" not in ended.stdout + ended.stderr
    assert ended.returncode == 2


@POSIX
def test_closed_and_full_outputs_get_a_word(few: Path):
    full = Path("/dev/full")
    for redirection, outputs, code in (
        (">&-", {"stdout": None}, 1),
        (">&- 2>&-", {"stdout": None, "stderr": None}, 1),
        ("2>&-", {"stderr": None}, 0),
        (">/dev/full", {"stdout": full}, 1),
        ("2>/dev/full", {"stderr": full}, 0),
    ):
        line = f"{sys.executable} -m organza --version {redirection}"
        version = subprocess.run(line, shell=True, capture_output=True, check=False, timeout=60)
        for ended in (version, *(forked("data", *words, **outputs) for words in (["check", few], ["--help"]))):
            assert ended.returncode == code, f"{ended.args} {redirection}: {ended.returncode} {ended.stderr}"
            assert b"Traceback" not in ended.stderr
            assert b"Exception ignored" not in ended.stderr


@POSIX
def test_a_file_of_a_run_never_gets_the_number_of_a_closed_stream(few: Path, tmp_path: Path):
    arguments = "train", few, "--run", tmp_path / "run", "--budget", "16img", "--no-evaluate", *TINY
    assert forked(*arguments, stdout=None, stderr=None, before=lambda: os.close(0)).returncode == 0
    assert last_event(tmp_path / "run")["kind"] == "budget"
    assert all(
        json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    )


@POSIX
@pytest.mark.parametrize("where", ["a reader", "a full disk"])
def test_a_training_whose_output_is_lost_saves_and_says_so(where: str, few: Path, tmp_path: Path):
    run, arguments = tmp_path / "run", ["--budget", LONG, "--no-evaluate", *TINY]
    if where == "a reader":
        process = Forked("train", few, "--run", run, *arguments)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
    else:
        process = Forked("train", few, "--run", run, *arguments, stdout=Path("/dev/full"))
    assert process.wait(60) == 141
    assert process.stderr is not None
    told = process.stderr.read()
    assert b"Traceback" not in told
    assert (b"The output could not be written: No space left on device" in told) == (where == "a full disk")
    assert last_event(run)["event"] == "stopped"
    assert last_event(run)["kind"] == "SIGPIPE"
    assert [path.name for path in (run / "checkpoints").iterdir()] == [f"{last_event(run)['images']:08d}"]


@POSIX
def test_a_reader_that_goes_away_ends_other_commands_as_it_ends_every_program():
    with subprocess.Popen([*ORGANZA, "recipes", "dcgan"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# ---- signals --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def a_start() -> float:
    """The seconds of a start of Python and the command on this machine, which others may slow down."""
    began = time.monotonic()
    assert call("--version").returncode == 0
    return time.monotonic() - began


@POSIX
@pytest.mark.parametrize("starts", [0.7, 2, 5, 10])
def test_ctrl_c_at_any_stage_is_one_line(starts: float, a_start: float, few: Path):
    delay = starts * a_start
    process = started("data", "check", few)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    if process.returncode != 0 and starts > 1:  # before, Python itself is not yet there
        assert process.returncode == 130, error
        assert error.decode().strip().splitlines()[-1:] == ["Interrupted."]
        assert b"Traceback" not in error


@POSIX
@pytest.mark.parametrize(("number", "code"), ENDING)
def test_a_signal_leaves_no_half_written_faces(number: int, code: int, tmp_path: Path):
    pytest.importorskip("resvg_py")
    process = started("data", "faces", tmp_path / "faces", "--count", "100000")
    until(lambda: (tmp_path / "faces").is_dir() and len(list((tmp_path / "faces").glob("*.png"))) > 30)
    os.killpg(process.pid, number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    *progress, last = error.decode().strip().splitlines()  # there is progress where a second does not do
    assert last == "Interrupted."
    assert all(line.startswith("rendering faces: ") for line in progress)
    assert not out
    assert {path.suffix for path in (tmp_path / "faces").iterdir() if path.name.startswith(".")} == {".json"}


@POSIX
@pytest.mark.parametrize(("number", "code"), ENDING)
def test_a_signal_ends_a_training_that_is_saved(number: int, code: int, few: Path, tmp_path: Path):
    run = tmp_path / "run"
    process = Forked("train", few, "--run", run, "--budget", LONG, "--no-evaluate", *TINY)
    until(lambda: stepping(run))
    time.sleep(0.3)
    process.send_signal(number)
    time.sleep(0.1)
    process.send_signal(number)  # a second one at once is a slip of the finger
    _, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert b"Traceback" not in error
    assert last_event(run)["kind"] == signal.Signals(number).name
    assert (run / "checkpoints" / f"{last_event(run)['images']:08d}" / "manifest.json").is_file()


@POSIX
def test_nohup_is_respected(few: Path, tmp_path: Path):
    run = tmp_path / "run"
    command = [*ORGANZA, "train", few, "--run", run, "--budget", LONG, "--no-evaluate", *TINY]
    process = subprocess.Popen(["nohup", *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: stepping(run))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 143


# ---- places ---------------------------------------------------------------------------------------------------------------------


def test_a_user_without_a_home_is_told_of_the_cache(few: Path):
    def homeless() -> None:
        import pwd

        def gone(*_: object) -> None:
            raise KeyError("no such user")

        for name in ("HOME", "ORGANZA_CACHE", "XDG_CACHE_HOME", "USERPROFILE"):
            os.environ.pop(name, None)
        pwd.getpwuid = gone  # type: ignore[assignment]

    ended = forked("train", few, "--budget", "8img", before=homeless)
    assert ended.returncode == 2, ended.stderr
    said = "This user has no home folder for a cache; name a cache folder in $ORGANZA_CACHE."
    assert ended.stderr.decode().strip() == said


@POSIX
def test_a_folder_that_is_gone_is_told(tmp_path: Path):
    here = tmp_path / "here"
    here.mkdir()

    def leave() -> None:
        os.chdir(here)
        here.rmdir()

    ended = forked("recipes", before=leave)
    assert (ended.returncode, ended.stderr.count(b"\n")) == (2, 1)


@POSIX
@pytest.mark.parametrize("how", ["renamed", "removed"])
def test_a_run_that_is_taken_away_while_it_trains_ends_in_a_sentence(how: str, few: Path, tmp_path: Path):
    run = tmp_path / "run"
    budget = LONG if how == "renamed" else "100000img"  # it is noticed when the next line of statistics is due
    process = Forked("train", few, "--run", run, "--budget", budget, "--no-evaluate", *TINY)
    until(lambda: stepping(run))
    time.sleep(0.3)
    run.rename(tmp_path / "elsewhere")
    if how == "removed":
        shutil.rmtree(tmp_path / "elsewhere")
    else:
        process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 2, error
    assert error.decode().strip().splitlines()[-1].startswith(f"{run} was removed or renamed during training")
    assert not run.exists()


@POSIX
def test_a_recipe_that_vanishes_while_the_run_trains_is_written_again(few: Path, tmp_path: Path):
    run = tmp_path / "run"
    process = Forked("train", few, "--run", run, "--budget", LONG, "--no-evaluate", *TINY)
    until(lambda: stepping(run))
    before = (run / "recipe.json").read_bytes()
    (run / "recipe.json").unlink()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert (run / "recipe.json").read_bytes() == before


MISTAKES = {
    "sample count": (["sample", "RUN", "--count", 10**30], "--count is a number of 31 digits; it must be at most"),
    "sample none": (["sample", "RUN", "--count", 0], "at least 1"),
    "sample seed": (["sample", "RUN", "--seed", 10**30], "--seed"),
    "sample negative": (["sample", "RUN", "--seed", -1], "--seed is -1; it must be at least 0"),
    "grid": (["sample", "RUN", "--count", 10_000_000, "--grid", "--size-of-memory"], "GB of memory"),
    "out file": (["sample", "RUN", "--count", 1, "--out", "FILE"], "is a file; --out needs a folder"),
    "out long": (["sample", "RUN", "--count", 1, "--out", "x" * 300], "cannot be written or read: File name too long"),
    "run file": (["train", "FEW", "--run", "FILE"], "is a file"),
    "seed of a run": (["train", "FEW", "--seed", 10**30], "--seed"),
    "quiz": (["quiz", "RUN", "--count", 10**30], "--count"),
    "evaluate": (["evaluate", "RUN", "--count", 10**30], "--count"),
    "faces": (["data", "faces", "NEW", "--count", 10**30], "--count"),
    "digits": (["data", "digits", "NEW", "--count", 10**30], "--count"),
    "between": (["encode", "RUN", "FEW", "--between", -1], "--between"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_numbers_and_places_that_make_no_sense_get_one_sentence(
    name: str,
    few: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    from organza import cli, memory

    (tmp_path / "file").write_text("x", encoding="utf-8")
    places = {"RUN": trained, "FEW": few, "FILE": tmp_path / "file", "NEW": tmp_path / "new"}
    words, said = MISTAKES[name]
    if "--size-of-memory" in words:
        monkeypatch.setattr(memory, "free_memory", lambda: 2**30)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        cli.main([str(places.get(str(word), word)) for word in words if word != "--size-of-memory"])
    told = capsys.readouterr()
    assert end.value.code == 2, told.err
    assert said in told.err
    assert told.err.count("\n") == 1
    assert (tmp_path / "file").read_text(encoding="utf-8") == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")], ids=str
)
def test_want_of_memory_is_told_with_advice(error: Exception, capsys: pytest.CaptureFixture[str]):
    from organza.cli.main import _code

    def fails() -> int:
        raise error

    assert _code(fails) == 1
    assert "smaller --size" in capsys.readouterr().err


def test_a_mistake_of_ours_is_not_hidden():
    from organza.cli import main
    from organza.cli.main import _code

    ours: dict = {}  # a function of a file of the package
    text = "def fails():\n    raise RecursionError('maximum recursion depth exceeded')"
    exec(compile(text, main.__code__.co_filename, "exec"), ours)
    fails = ours["fails"]

    with pytest.raises(RecursionError):
        _code(fails)
