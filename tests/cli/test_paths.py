"""`~` is a home folder wherever a path comes in: flags, variables, settings files, Python calls."""

from __future__ import annotations

import importlib
import inspect
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from PIL import Image

import robust_vos_bench as rvos
from robust_vos_bench.api.doctor import diagnose
from robust_vos_bench.cli import MODULES, VERBS, main
from robust_vos_bench.cli.options import UserPath
from robust_vos_bench.system.cache import cache_folder
from robust_vos_bench.system.paths import user_path

MODEL = '''
import numpy as np
from robust_vos_bench import ModelCard, VOSAdapter

class Still(VOSAdapter):
    """The first prompt, again and again."""

    card = ModelCard("still")

    def segment(self, video):
        mask = np.zeros(video.size, np.uint8)
        for t, _ in enumerate(video.frames):
            prompt = video.prompts.get(t, mask)
            mask = np.where(prompt > 0, prompt, mask)
            yield mask
'''
SQUARE = (
    '[preset]\nname = "own"\nversion = 1\ndescription = "One."\nqueries = 1\n'
    '[[threat]]\nkind = "square"\nframes = "all"\nbudgets = [1]\n'
)
TEXT_WITH_PATHS = {
    ("run", "models"), ("run", "checkpoints"), ("run", "options"), ("run", "dataset"), ("run", "corruptions"),
    ("run", "preset"), ("corrupt", "dataset"), ("corrupt", "corruptions"), ("corrupt", "preset"), ("score", "dataset"),
    ("data verify", "dataset"), ("run", "masks"), ("corrupt", "masks"), ("score", "masks"), ("data verify", "masks"),
    ("compare", "sources"), ("check", "name"), ("check", "checkpoint"),
    ("check", "options"), ("list", "names"), ("weights convert", "name"), ("attack", "models"),
    ("attack", "checkpoints"), ("attack", "options"), ("attack", "dataset"), ("attack", "masks"), ("attack", "preset"),
    ("certify", "models"), ("certify", "checkpoints"), ("certify", "options"), ("certify", "dataset"),
    ("certify", "masks"), ("certify", "preset"), ("pack", "dataset"), ("leaderboard", "dataset"),
    ("report", "dataset"), ("overlay", "dataset"),
}  # fmt: skip
"""Words that are a path in one of their forms; each is tried below."""
PLAIN_TEXT = {
    "severities", "temporal", "severity_profile", "corrupt_device", "device", "ray_address", "protocol", "range_end",
    "backend", "threats", "model", "video", "videos", "condition", "palette", "title", "family", "names",
    "kind", "formats", "scopes", "sigma", "radius",
}  # fmt: skip
"""Words that are never a path."""
NAMES = {
    ("data get", "name"),
    ("pack", "masks"),
    ("pack", "maker"),
    ("leaderboard", "maker"),
    ("reproduce", "name"),
    ("reproduce", "dataset"),
}
"""The same under one verb only."""


def parameters() -> Iterator[tuple[str, click.Parameter]]:
    """(verb, parameter) of the whole command line."""
    for verb in VERBS:
        command = importlib.import_module(f"robust_vos_bench.cli.{MODULES.get(verb, verb)}").command
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        for name, one in inner.items():
            for parameter in one.params:
                yield f"{verb} {name}".strip(), parameter


PATHS = [(verb, p) for verb, p in parameters() if isinstance(p.type, (click.Path, click.File))]


def test_every_word_that_may_be_a_path_is_known_here() -> None:
    """A new parameter has to be a UserPath or to join one of the lists above."""
    texts = {
        (verb, str(p.name)) for verb, p in parameters() if type(p.type).__name__ in ("StringParamType", "CommaList")
    }
    unknown = {(v, n) for v, n in texts - TEXT_WITH_PATHS if n not in PLAIN_TEXT and (v, n) not in NAMES}
    assert unknown == set() and texts >= TEXT_WITH_PATHS
    assert len(PATHS) >= 20


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder with two clips and a model; the command runs elsewhere, and no folder named `~` may come up."""
    folder, elsewhere = tmp_path / "home", tmp_path / "work"
    for path in (folder, elsewhere):
        path.mkdir()
    for number, video in enumerate(("a", "b")):
        for kind in ("JPEGImages", "Annotations"):
            (folder / "clips" / kind / video).mkdir(parents=True)
        for t in range(4):
            frame = np.full((24, 32, 3), 40 * (t + number), np.uint8)
            mask = np.zeros((24, 32), np.uint8)
            mask[4:12, 3 + t : 13 + t] = 1
            Image.fromarray(frame).save(folder / f"clips/JPEGImages/{video}/{t:05d}.png")
            Image.fromarray(mask).save(folder / f"clips/Annotations/{video}/{t:05d}.png")
    (folder / "own.py").write_text(MODEL)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.chdir(elsewhere)
    yield folder
    assert [p.name for p in elsewhere.rglob("*") if "~" in p.name] == []


@pytest.mark.parametrize(("verb", "parameter"), PATHS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_every_path_option_expands(verb: str, parameter: click.Parameter, home: Path) -> None:
    assert isinstance(parameter.type, UserPath), f"{verb} {parameter.name}: use UserPath"
    wanted = home / "clips" if not parameter.type.dir_okay or parameter.type.exists else home / "new"
    given: object = f"~/{wanted.name}"
    if not parameter.type.dir_okay:
        wanted, given = home / "own.py", "~/own.py"
    many = parameter.nargs == -1 or parameter.multiple
    found = parameter.type_cast_value(click.Context(click.Command("x")), (given,) if many else given)
    assert (found[0] if many else found) == wanted


def run(*words: str) -> int:
    """The exit code of a command in this process."""
    with pytest.raises(SystemExit) as done:
        main(words)
    return int(done.value.code or 0)


DATA = ("--dataset", "folder", "--data-root", "~/clips")
GRID = ("--corruption", "contrast", "--severity", "2", "--workers", "1", "--quiet")


def test_a_home_folder_in_every_word_of_the_command_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = "~/own.py:Still"
    assert run("run", f"--model={model}", *DATA, *GRID, "--output=~/one", "--save-masks") == 0
    assert (home / "one/run.json").is_file()
    option = f"folder=~/one/masks/{next((home / 'one/masks').iterdir()).name}"
    assert run("run", "--model=masks", f"--option={option}", *DATA, *GRID, "--output=~/two") == 0
    assert rvos.load_run("~/two").manifest.units.ok == 4
    assert run("score", *DATA, f"--predictions={option[7:]}/clean", "--output=~/j/f.json", "--official-csv=~/csv") == 0
    official = json.loads((home / "j/f.json").read_text())
    assert official and len(list((home / "csv").iterdir())) == 2
    assert run("report", "~/one", "--output=~/page.html", "--data-root=~/clips", "--strips=0") == 0
    assert run("plot", "~/one", "--kind=severity", "--format=svg", "--output=~/figures") == 0
    assert (home / "figures/severity.svg").is_file()
    assert run("compare", "~/one", "~/two:" + rvos.load_run("~/two").models[0]) == 0
    assert run("pack", "~/one", "--output=~/packed.json.gz") == 0 and (home / "packed.json.gz").is_file()
    assert run("leaderboard", "~/packed.json.gz", "--output=~/boards") == 0 and (home / "boards/README.md").is_file()
    capsys.readouterr()
    assert run("list", "runs", "--folder=~", "--json") == 0
    assert {row["folder"] for row in json.loads(capsys.readouterr().out)} == {str(home / "one"), str(home / "two")}
    (home / "own.toml").write_text(SQUARE)
    attack = ("attack", f"--model={model}", "--preset=~/own.toml", "--output=~/hit", "--workers=1", "--device=cpu")
    assert run(*attack, *DATA, "--quiet") == 0 and (home / "hit/scores/run.json").is_file()
    assert run("attack", "--verify=~/hit", *DATA) == 0
    assert run("run", f"--model={model}", "--attacked=~/hit", *DATA, "--workers=1", "--output=~/three") == 0
    shutil.rmtree(home / "hit")
    shutil.rmtree(home / "three")
    assert run("data", "verify", *DATA) == 0 and run("data", "where", "--data-root=~/clips", "--json") == 0
    assert run("check", "~/own.py:Still") == 0
    corrupt = ("corrupt", *DATA, "--corruption=contrast", "--severity=1", "--workers=1", "--quiet")
    assert run(*corrupt, "--output=~/split") == 0 and list((home / "split").glob("*/rvos-bench.json"))
    assert run(*corrupt, "--preview", "--output=~/sheet.png") == 0 and (home / "sheet.png").is_file()


def test_a_home_folder_in_presets_corruptions_and_data_sets(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "fx.py").write_text(
        "from robust_vos_bench.conditions.corruption import corruption\n"
        "@corruption('dim', 'lens', summary='darker', unit='times', values=(1, 2))\n"
        "def dim(frame, severity, draw):\n    return (frame // 2).astype(frame.dtype)\n"
    )
    (home / "own.toml").write_text(
        '[preset]\nname = "own"\nversion = 1\ndescription = "One."\nseverities = [1]\n'
        '[[corruption]]\nname = "contrast"\n'
    )
    (home / "sets.py").write_text(
        "from robust_vos_bench import open_dataset\nfrom robust_vos_bench.datasets import DatasetEntry\n"
        "def opened(*, root, split, limit, videos):\n"
        "    data = open_dataset('folder', root, limit=limit, videos=videos)\n    data.name = 'mine'\n    return data\n"
        "Mine = DatasetEntry('mine', (), 'clips', open=opened)\n"
    )
    for words in (
        ("--corruption=~/fx.py:dim", "--severity=1", *DATA),
        ("--preset=~/own.toml", *DATA),
        ("--corruption=contrast", "--severity=1", "--dataset=~/sets.py:Mine", "--data-root=~/clips"),
    ):
        capsys.readouterr()
        assert run("run", "--model=static", *words, "--dry-run", "--no-probe", "--json") == 0, words
        planned = json.loads(capsys.readouterr().out)
        assert planned["videos"] == 2 and planned["units"] == 4
    (home / "own.py").write_text(MODEL)
    (home / "hit.toml").write_text(SQUARE)
    data = ("--dataset=~/sets.py:Mine", "--data-root=~/clips")
    attack = ("attack", "--model=~/own.py:Still", "--preset=~/hit.toml", "--workers=1", "--device=cpu", "--quiet")
    assert run(*attack, *data, "--output=~/hit") == 0
    assert run("pack", "~/hit/scores", *data, "--output=~/hit.json.gz") == 0 and (home / "hit.json.gz").is_file()
    assert run("leaderboard", "~/hit/scores", *data, "--output=~/boards") == 0
    kept = ("run", "--model=static", "--corruption=contrast", "--severity=1", "--save-masks", "--workers=1", "--quiet")
    assert run(*kept, *data, "--output=~/kept") == 0
    assert run("report", "~/kept", *data) == 0
    assert run("overlay", "~/kept", "--condition=clean", "--output=~/films", *data) == 0
    assert list((home / "films").rglob("*.mp4"))
    capsys.readouterr()
    assert run("list", "presets", "~/own.toml", "--json") == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["contrast"]


def test_a_home_folder_in_checkpoints(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"conv1.weight": torch.zeros(3)}, home / "w.pth")
    for words in (
        ("--model=stcn", "--checkpoint=~/w.pth"),
        ("--model=stcn,static", "--checkpoint=stcn=~/w.pth"),
    ):
        assert run("run", *words, *DATA, *GRID, "--dry-run", "--no-probe") == 0, capsys.readouterr().err
        assert run("run", *words, *DATA, *GRID, f"--output=~/{len(words[0])}") == 4
        assert str(home / "w.pth") in capsys.readouterr().err
    assert run("check", "stcn", "--checkpoint=~/w.pth") == 4
    assert str(home / "w.pth") in capsys.readouterr().err


def test_a_home_folder_in_a_settings_file(home: Path) -> None:
    (home / "run.toml").write_text(
        'model = "~/own.py:Still"\ndataset = "folder"\ndata-root = "~/clips"\noutput = "~/from-file"\n'
        'corruption = "contrast"\nseverity = 1\nworkers = 1\n'
    )
    assert run("run", "--config=~/run.toml", "--quiet") == 0
    assert (home / "from-file/scores.csv").is_file()


def test_a_home_folder_in_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "run.toml").write_text('corruption = "contrast"\nseverity = 1\nworkers = 1\ndataset = "folder"\n')
    variables = {
        "CONFIG": "~/run.toml", "MODEL": "~/own.py:Still", "DATA_ROOT": "~/clips", "OUTPUT": "~/out",
        "CACHE": "~/kept", "WEIGHTS": "~/weights",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(f"RVOS_BENCH_{name}", value)
    assert run("run", "--quiet") == 0 and (home / "out/scores.csv").is_file()
    assert cache_folder() == home / "kept" and (home / "kept").is_dir()
    monkeypatch.setenv("RVOS_BENCH_DATA", "~/clips")
    folders = diagnose()["folders"]
    assert folders["data root"] == str(home / "clips")
    assert folders["weights are looked for in"].startswith(f"{home / 'weights'}/<family>, {home / 'kept'}")
    monkeypatch.delenv("RVOS_BENCH_OUTPUT")
    monkeypatch.setenv("RVOS_BENCH_PREDICTIONS", "~/clips/Annotations")
    assert run("score", "--dataset", "folder") == 0


def _run(home: Path) -> Path:
    return rvos.run(
        "~/own.py:Still",
        "contrast",
        severity=1,
        dataset="folder",
        data_root="~/clips",
        output="~/api",
        workers=1,
        progress=False,
    ).folder


def _score(home: Path) -> Path:
    found = rvos.score("~/clips/Annotations", dataset="folder", data_root="~/clips", progress=False)
    assert found.overall["J&F-Mean"] == 1
    found.write_official_csv("~/official")
    return next((home / "official").iterdir())


def _pack(home: Path) -> Path:
    _run(home)
    return rvos.pack("~/api", output="~/p.json.gz")


def _leaderboard(home: Path) -> Path:
    _pack(home)
    rvos.leaderboard("~/api", output="~/pages")
    return home / "pages/README.md"


def _report(home: Path) -> Path:
    _run(home)
    return rvos.report("~/api", output="~/r.html", data_root="~/clips", strips=0)


def _plot(home: Path) -> Path:
    _run(home)
    return rvos.plot("~/api", kind="severity", format="svg", output="~/figures")[0]


def _compare(home: Path) -> Path:
    both = ["~/own.py:Still", "static"]
    words = {
        "severity": 1,
        "dataset": "folder",
        "data_root": "~/clips",
        "output": "~/both",
        "workers": 1,
        "progress": False,
    }
    rvos.run(both, "contrast", **words)  # type: ignore[arg-type]
    assert rvos.compare("~/both").a and rvos.compare("~/both:still", "~/both:static").b == "static"
    return home / "both/run.json"


def _load_adapter(home: Path) -> Path:
    torch.save({"conv1.weight": torch.zeros(3)}, home / "w.pth")
    with pytest.raises(rvos.WeightsError, match=str(home / "w.pth")):
        rvos.load_adapter("stcn", "~/w.pth")
    assert rvos.load_adapter("~/own.py:Still").card.name == "still"
    return home / "w.pth"


def _corrupt(home: Path) -> Path:
    words = {"severity": 1, "dataset": "folder", "data_root": "~/clips", "workers": 1, "progress": False}
    return Path(next(iter(rvos.corrupt("contrast", output="~/dark", **words).folders.values())))  # type: ignore[arg-type]


def _attack(home: Path) -> Path:
    (home / "square.toml").write_text(
        '[preset]\nname = "own"\nversion = 1\ndescription = "One."\nqueries = 1\nnoise = false\n'
        '[[threat]]\nkind = "square"\nframes = "all"\nbudgets = [1]\n'
    )
    words = {"dataset": "folder", "data_root": "~/clips", "workers": 1, "device": "cpu", "progress": False}
    report = rvos.attack("~/own.py:Still", output="~/hit", preset="~/square.toml", score=False, **words)  # type: ignore[arg-type]
    return Path(report.folders["square-all-e1@still"])


def _overlay(home: Path) -> Path:
    frames, masks = "~/clips/JPEGImages/a", "~/clips/Annotations/a"
    return rvos.overlay(frames, masks, output="~/a.gif", progress=False)[0]


def _check(home: Path) -> Path:
    assert rvos.check("folder", kind="dataset", data_root="~/clips").ok
    assert rvos.check("~/own.py:Still").name == "still"
    return home / "own.py"


def _list_runs(home: Path) -> Path:
    _run(home)
    return Path(rvos.list_runs("~")[0]["folder"])


def _convert_weights(home: Path) -> Path:
    torch.save({"net": {"a": torch.ones(2)}, "made by": Path("x")}, home / "w.pth.tar")
    return Path(rvos.convert_weights("~/w.pth.tar", output="~/w.safetensors").output)


def _scores(home: Path) -> Path:
    row = 'model = "Still"\ndataset = "davis2017:val"\nmetric = "J&F"\nvalue = 1.0\nsource = "s"\nrun = "static"\n'
    (home / "scores.toml").write_text(f'[sources]\ns = "here"\n\n[[score]]\n{row}')
    return home / "scores.toml"


def _list_reproductions(home: Path) -> Path:
    scores = _scores(home)
    assert len(rvos.list_reproductions("~/clips", "~/scores.toml")) == 1
    return scores


def _reproduce(home: Path) -> Path:
    scores = _scores(home)
    with pytest.raises(rvos.DataError, match=str(home / "none")):
        rvos.reproduce("static", data_root="~/none", scores="~/scores.toml", output="~/repeated", progress=False)
    return scores


def _certify(home: Path) -> Path:
    done = rvos.certify(
        "~/own.py:Still", dataset="folder", data_root="~/clips", output="~/certified", draws=15, radius=0.25, workers=1,
        videos="a", pixels=False, progress=False,
    )  # fmt: skip
    return done.run.folder


CALLS: dict[str, Callable[[Path], Path | None]] = {
    "run": _run,
    "score": _score,
    "certify": _certify,
    "pack": _pack,
    "leaderboard": _leaderboard,
    "report": _report,
    "plot": _plot,
    "compare": _compare,
    "load_adapter": _load_adapter,
    "corrupt": _corrupt,
    "overlay": _overlay,
    "attack": _attack,
    "check": _check,
    "list_runs": _list_runs,
    "convert_weights": _convert_weights,
    "list_reproductions": _list_reproductions,
    "reproduce": _reproduce,
    "load_run": lambda home: _run(home) and rvos.load_run("~/api").folder,
    "load_runs": lambda home: _run(home) and rvos.load_runs("~/api", "~/api").folder,
    "open_dataset": lambda home: rvos.open_dataset("folder", "~/clips").root,
    "verify_dataset": lambda home: rvos.verify_dataset("folder", "~/clips", progress=False).root,  # type: ignore[dict-item]
}


def test_every_function_that_takes_a_path_is_tried_here() -> None:
    functions = {name: getattr(rvos, name) for name in rvos.__all__ if inspect.isfunction(getattr(rvos, name))}
    signatures = {name: str(inspect.signature(function)) for name, function in functions.items()}
    assert {name for name, text in signatures.items() if "Path" in text.partition(" -> ")[0]} <= set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_python_calls_expand(name: str, home: Path) -> None:
    found = CALLS[name](home)
    assert found is not None and Path(found).exists() and home in Path(found).parents


def test_names_of_nobody_stay_as_they_are() -> None:
    assert user_path("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")
    assert user_path("./~/x") == Path("./~/x") and user_path("a/~/b") == Path("a/~/b")
