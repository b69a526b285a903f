"""The video stage: equal clips for the three families, the same bits in pieces, states that go on only as they were."""

from __future__ import annotations

import functools
import signal
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from robust_vos_bench.errors import DataError
from training import export, state, train
from training.images import Stills
from training.settings import NETWORKS, VIDEO_AGE, VIDEO_VERSION, Settings
from training.start import find_start, read_start
from training.trainer import STEADY, WARM_UP, Trainer, build
from training.videos import Videos

SMALL = {"recipe": "video", "batch": 1, "crop": 65, "length": 4, "start": "x", "video_version": VIDEO_VERSION}


@pytest.fixture(autouse=True)
def one_thread_and_signals_kept() -> object:
    """The command sets threads and handlers; tests leave the process as it was."""
    threads, handlers = torch.get_num_threads(), [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    yield
    torch.set_num_threads(threads)
    for which, handler in zip((signal.SIGTERM, signal.SIGINT), handlers):
        signal.signal(which, handler)


@functools.lru_cache
def _weights(model: str) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = build(model)
    return network.state_dict()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of cfbi.lite."""
    file = tmp_path_factory.mktemp("start") / "cfbi.lite.plain.safetensors"
    save_file({n: t.half().contiguous() for n, t in _weights("cfbi.lite").items()}, file)
    return file


def _flags(ecssd: Path, films: Path, start: Path, out: Path, *more: str) -> list[str]:
    given = ["--model", "cfbi.lite", "--recipe", "video", "--out", str(out), "--data", str(ecssd), "--device", "cpu"]
    given += ["--videos", str(films), "--start", str(start), "--batch", "1", "--crop", "65", "--length", "4"]
    return [*given, *more]


def test_the_three_families_see_the_same_clips_and_steps(stills: Stills, videos: Videos) -> None:
    trainers = [Trainer(Settings(m, **SMALL), stills, videos=videos, start=_weights(m)) for m in NETWORKS]  # type: ignore[arg-type]
    for step in (0, 3, 17):
        for trainer in trainers:
            trainer.step = step
        first, *others = [trainer.clips() for trainer in trainers]
        for clips in others:
            assert torch.equal(first.frames, clips.frames) and torch.equal(first.labels, clips.labels)
    assert len({t.settings.age(0) for t in trainers}) == 1 and trainers[0].settings.age(0) == VIDEO_AGE


@pytest.mark.parametrize("begin", [0, 2])
def test_two_pieces_are_bit_equal_to_one(stills: Stills, videos: Videos, tmp_path: Path, begin: int) -> None:
    """Stopped after every step, across a step of stills (the fourth)."""
    settings, weights = Settings("cfbi.lite", **SMALL), _weights("cfbi.lite")  # type: ignore[arg-type]
    whole = Trainer(settings, stills, videos=videos, start=weights)
    whole.step = begin
    found = [whole.advance() for _ in range(3)]
    for number in range(3):
        part = Trainer(settings, stills, videos=videos, start=weights)
        part.step = begin
        if number:
            part.restore(state.load(tmp_path / "state.pt", part.state().settings))
        assert part.advance() == found[number]
        state.save(part.state(), tmp_path / "state.pt")
    for one, other in ((whole.network.state_dict(), part.network.state_dict()), (whole.average, part.average)):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert part.losses == whole.losses == found


def test_it_starts_from_the_weights_that_are_given(stills: Stills, videos: Videos, start: Path) -> None:
    weights, digest = read_start(start)
    trainer = Trainer(Settings("cfbi.lite", **{**SMALL, "start": digest}), stills, videos=videos, start=weights)  # type: ignore[arg-type]
    assert all(torch.equal(t, weights[n]) for n, t in trainer.network.state_dict().items())
    assert all(torch.equal(t, weights[n]) for n, t in trainer.average.items())
    assert trainer.state().settings["data"] == f"{stills.digest} {videos.digest}"
    with pytest.raises(DataError, match=r"does not fit aoc\.lite"):
        Trainer(Settings("aoc.lite", **SMALL), stills, videos=videos, start=weights)  # type: ignore[arg-type]


def test_a_longer_stage_goes_on_behind_the_steps_that_its_weights_have_made(
    ecssd: Path,
    films: Path,
    start: Path,
    tmp_path: Path,
    stills: Stills,
    videos: Videos,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = _weights("cfbi.lite")
    usual, later = (
        Trainer(Settings("cfbi.lite", **{**SMALL, **more}), stills, videos=videos, start=weights)  # type: ignore[arg-type]
        for more in ({}, {"begun": 4000})
    )
    usual.step = 4000
    assert later.step == 4000 and later.made == 0 and torch.equal(usual.clips().frames, later.clips().frames)
    later.advance()
    assert later.made == 1 and later.settings.age(4000) == 4000 + VIDEO_AGE
    rate = later.settings.rate / WARM_UP / (later.settings.age(4000) / STEADY) ** 0.5
    assert later.optimiser.param_groups[1]["lr"] == pytest.approx(rate), (
        "it warms up once more, from its schedule's rate"
    )
    assert "begun" not in usual.settings.record(), "older states go on"

    out = tmp_path / "longer"
    flags = _flags(ecssd, films, start, out, "--begun", "50", "--steps", "52")
    assert train.main(flags) == 0
    kept = state.load(out / "state.pt")
    assert kept.step == 52 and kept.devices == {"cpu": 2}
    curves = tmp_path / "curves"
    curves.mkdir()
    rows = [{"step": float(n), "loss": 1.0, "seconds": 1.0} for n in (50, 100)]
    train.write_curve(rows, curves / "cfbi.lite.video.csv")
    kept.curve = [{"step": 100.0, "loss": 0.5, "seconds": 2.0}]
    made = export.export(kept, tmp_path / "to", curves)
    assert train.read_curve(curves / "cfbi.lite.video.csv") == [rows[0], kept.curve[0]]
    card = made.with_suffix(".md").read_text()
    assert " --begun 50 --start FILE (weights " in card
    assert "0, 52 (50 of them made by the weights it starts from; then 0 minutes" in card

    for wrong, said in (
        (_flags(ecssd, films, start, out, "--begun", "60", "--steps", "60"), "larger number"),
        (_flags(ecssd, films, start, out, "--begun", "-1", "--steps", "60"), "0 or more"),
        (_flags(ecssd, films, start, out, "--begun", "40", "--steps", "60"), "begun"),
        (["--model", "cfbi.lite", "--recipe", "video", "--out", str(out), "--begun", "5"], "--start"),
    ):
        assert train.main(wrong) != 0
        assert said in capsys.readouterr().err


def test_the_rate_settles_to_zero_and_training_ends_there(
    ecssd: Path,
    films: Path,
    start: Path,
    tmp_path: Path,
    stills: Stills,
    videos: Videos,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Settings("cfbi.lite", **{**SMALL, "begun": 4000, "settled": 4004})  # type: ignore[arg-type]
    trainer = Trainer(settings, stills, videos=videos, start=_weights("cfbi.lite"))
    for made in range(2):
        trainer.advance()
        usual = settings.rate * (made + 1) / WARM_UP / (settings.age(4000 + made) / STEADY) ** 0.5
        assert trainer.optimiser.param_groups[1]["lr"] == pytest.approx(usual * (1 - made / 4))
    assert trainer.unsettled == 0.5 and settings.record()["settled"] == 4004
    for step in (4004, 4010):
        trainer.step = step
        assert trainer.unsettled == 0, "never a negative rate"
    assert "settled" not in Settings("cfbi.lite", **SMALL).record(), "older states go on"  # type: ignore[arg-type]

    out = tmp_path / "settled"
    flags = _flags(ecssd, films, start, out, "--begun", "50", "--settle", "52")
    assert train.main([*flags, "--steps", "51"]) == 0 and state.load(out / "state.pt").step == 51
    assert train.main(flags) == 0
    kept = state.load(out / "state.pt")
    assert kept.step == 52
    card = export.export(kept, tmp_path / "to", tmp_path / "to").with_suffix(".md").read_text()
    assert " --steps 52 --begun 50 --settle 52 --start FILE (weights " in card
    for wrong, said in (
        ([*flags, "--steps", "53"], "zero from --settle 52 on"),
        (_flags(ecssd, films, start, out, "--begun", "50", "--settle", "50"), "behind the first"),
        (_flags(ecssd, films, start, out, "--settle", "-1"), "behind the first"),
        (_flags(ecssd, films, start, out, "--begun", "50", "--settle", "60"), "settled"),
    ):
        assert train.main(wrong) != 0
        assert said in capsys.readouterr().err


def test_the_shipped_weights_are_what_it_starts_from_by_default() -> None:
    for model in NETWORKS:
        assert find_start(model).name == f"{model}.plain.safetensors"
        assert len(read_start(find_start(model))[1]) == 64


def test_a_curve_in_pieces_is_that_of_one_run(
    ecssd: Path, films: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was killed between the last step before a validation and the row that it makes."""
    small = Trainer.validate
    monkeypatch.setattr(Trainer, "validate", lambda self, held, watch: small(self, held, 1, 33, watch))
    monkeypatch.setattr(train, "CURVE_EVERY", 2)
    more = ("--validate-every", "4")
    assert train.main(_flags(ecssd, films, start, tmp_path / "one", "--steps", "5", *more)) == 0
    for steps in ("1", "3"):
        assert train.main(_flags(ecssd, films, start, tmp_path / "two", "--steps", steps, *more)) == 0

    def killed(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "note", killed)
        train.main(_flags(ecssd, films, start, tmp_path / "two", "--steps", "5", *more))
    assert state.load(tmp_path / "two" / "state.pt").step == 4
    assert train.main(_flags(ecssd, films, start, tmp_path / "two", "--steps", "5", *more)) == 0
    one, two = (state.load(tmp_path / name / "state.pt") for name in ("one", "two"))
    assert all(torch.equal(one.network[n], two.network[n]) for n in one.network)
    without_time = [[{k: v for k, v in row.items() if k != "seconds"} for row in s.curve] for s in (one, two)]
    assert without_time[0] == without_time[1] and [r["step"] for r in one.curve] == [2, 4]
    assert one.losses == two.losses and len(one.losses) == 1
    assert "video_j" in one.curve[1]
    assert (tmp_path / "one" / "curve.csv").read_text().splitlines()[0].endswith(",seconds,video_j")


def test_a_state_refuses_other_weights_videos_and_recipes(
    ecssd: Path, films: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    flags = _flags(ecssd, films, start, out, "--steps", "1")
    assert train.main(flags) == 0
    kept = (out / "state.pt").read_bytes()
    other = tmp_path / "other.safetensors"
    save_file({n: t.half().contiguous() * 0.5 for n, t in _weights("cfbi.lite").items()}, other)
    assert train.main(_flags(ecssd, films, other, out, "--steps", "2")) == 4
    assert "start: " in capsys.readouterr().err
    (films / "ImageSets" / "train.txt").write_text("red\ngreen\n")
    assert train.main(flags) == 4
    assert "data: " in capsys.readouterr().err
    still = ["--model", "cfbi.lite", "--out", str(out), "--data", str(ecssd), "--batch", "1", "--crop", "65"]
    assert train.main([*still, "--length", "4", "--steps", "2"]) == 4
    assert "recipe: 'video' there, 'plain' now" in capsys.readouterr().err
    assert train.main([*still, "--recipe", "plain", "--start", str(start), "--steps", "2"]) == 2
    assert (out / "state.pt").read_bytes() == kept, "nothing is lost by a wrong command"


def test_a_subset_is_part_of_a_state(ecssd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--model", "cfbi.lite", "--out", str(tmp_path), "--data", str(ecssd), "--batch", "1", "--crop", "65"]
    assert train.main([*flags, "--steps", "1", "--stills", "12"]) == 0
    for more, said in ((["--stills", "13"], "stills: 12 there, 13 now"), ([], "stills: 12 there, None now")):
        assert train.main([*flags, "--steps", "2", *more]) == 4
        error = capsys.readouterr().err
        assert said in error and "data: " in error
    assert state.load(tmp_path / "state.pt").settings["stills"] == 12


def test_a_plan_says_core_hours_and_leaves_nothing(
    ecssd: Path,
    films: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.cost.STEPS", 1)
    out = tmp_path / "run"
    small = Trainer.validate
    monkeypatch.setattr(Trainer, "validate", lambda self, held, n, side, watch=None: small(self, held, n, 33, watch))
    assert train.main(_flags(ecssd, films, start, out, "--steps", "1000", "--plan")) == 0
    said = capsys.readouterr().out
    assert "cfbi.lite.video: 1000 steps cost" in said and "over 1 steps" in said and not out.exists()
    assert train.main(_flags(ecssd, films, start, out, "--plan")) == 2


def test_missing_or_damaged_starts_and_videos_end_with_4(
    ecssd: Path, films: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(start.read_bytes()[:1000])
    assert train.main(_flags(ecssd, films, bad, tmp_path / "run", "--steps", "1")) == 4
    assert "bad.safetensors" in capsys.readouterr().err
    assert train.main(_flags(ecssd, tmp_path, start, tmp_path / "run", "--steps", "1")) == 4
    assert "--videos" in capsys.readouterr().err
    (films / "JPEGImages" / "blue" / "00008.jpg").write_bytes(b"\xff\xd8\xff")
    assert train.main(_flags(ecssd, films, start, tmp_path / "run", "--steps", "1")) == 4
    assert "00008.jpg" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_cards_of_the_video_line_say_what_was_seen(stills: Stills, videos: Videos, tmp_path: Path) -> None:
    trainer = Trainer(Settings("cfbi.lite", **SMALL), stills, videos=videos, start=_weights("cfbi.lite"))  # type: ignore[arg-type]
    file = export.export(trainer.state(), tmp_path, tmp_path)
    assert file.name == "cfbi.lite.video.safetensors" and file.stat().st_size <= 4e6
    card = file.with_suffix(".md").read_text()
    assert "motocross-bumps / motocross-jump" in card and "CC BY-NC 4.0" in card and videos.digest in card
    assert "No video" not in card and "--recipe video" in card
    with safe_open(file, "pt") as opened:
        assert videos.digest in opened.metadata()["data"]
