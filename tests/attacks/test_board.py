"""Leaderboards of attacks: what a row says, what may lower it, and what is refused."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from clips import write_folder

import robust_vos_bench as rvos
from robust_vos_bench.analysis.attacked import AttackRecord, Flag
from robust_vos_bench.analysis.result import Result, checksum, read_result, verify
from robust_vos_bench.api.attack import attack
from robust_vos_bench.attacks.board_sheet import board_csv, board_data, sheet_of
from robust_vos_bench.attacks.leaderboard import AttackPage, attack_pages
from robust_vos_bench.attacks.presets import load_attack_preset
from robust_vos_bench.attacks.shown import lines
from robust_vos_bench.attacks.standing import BY_HAND, REDUCED, STANDARD, TRANSFER, effort_words, standing
from robust_vos_bench.attacks.store import ATTACK_VERSIONS
from robust_vos_bench.attacks.table import Board, Row, converged_of
from robust_vos_bench.attacks.threat import VERSION, read_threat
from robust_vos_bench.cli import main
from robust_vos_bench.errors import DataError, UsageError
from robust_vos_bench.reports.markdown import sheet_markdown
from robust_vos_bench.runs.store import safe_name

TOY = f"{Path(__file__).parent / 'toys.py'}:Toy"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits of two budgets against a toy, scored on it."""
    root = write_folder(tmp_path_factory.mktemp("data"))
    output = tmp_path_factory.mktemp("attacks") / "attacked"
    attack(
        TOY, output=output, preset="adversarial-quick", threat=["linf-prompt-e2", "linf-prompt-e8", "linf-all-e4"],
        steps=4, dataset="folder", data_root=root, workers=1, device="cpu", progress=False,
    )  # fmt: skip
    return output


@pytest.fixture(scope="module")
def packed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rvos.pack(made / "scores", output=tmp_path_factory.mktemp("packed") / "toy.json.gz", maker="Ann")


def page_of(pages: list[object], threat: str) -> AttackPage:
    return next(page for page in pages if isinstance(page, AttackPage) and page.threat == threat)


def changed(result: Result, factor: float, run_id: str, maker: str) -> Result:
    """The same splits as somebody else's, whose scores on the second video are another share of what they were."""
    records = []
    for r in result.records:
        objects = r.objects
        if r.condition != "clean" and r.video == "two":
            objects = tuple(
                msgspec.structs.replace(o, j_mean=(o.j_mean or 0) * factor, f_mean=(o.f_mean or 0) * factor)
                for o in objects
            )
        records.append(msgspec.structs.replace(r, objects=objects))
    assert isinstance(result.attacks, tuple)
    attacks = tuple(msgspec.structs.replace(s, maker=maker) for s in result.attacks)
    manifest = msgspec.structs.replace(result.manifest, run_id=run_id)
    sum_ = checksum(manifest, records, result.objects, attacks)
    return msgspec.structs.replace(result, manifest=manifest, records=tuple(records), attacks=attacks, checksum=sum_)


def test_a_packed_result_stands_alone(packed: Path, made: Path, tmp_path: Path) -> None:
    result = read_result(packed)
    assert isinstance(result.attacks, tuple) and len(result.attacks) == 6
    own = next(s for s in result.attacks if s.label.startswith("linf-prompt-e2"))
    assert own.maker == "Ann" and own.audited and own.made["effort"]["steps"] == 4
    assert set(own.videos) == {"one", "two"} and own.videos["one"].passes > 0
    assert str(made.parent) not in msgspec.json.encode(result).decode()
    pages = rvos.leaderboard(packed, output=tmp_path / "boards")  # the splits are not looked for
    page = page_of(list(pages), "linf-prompt")
    (row,) = page.rows
    assert row.standing == REDUCED and page.budgets == (2, 8)
    assert row.clean > row.cells[2].robust.value >= row.cells[8].robust.value
    assert row.cells[2].noise > row.cells[2].robust.value
    assert "1 loss x 4 steps x 1 start (adversarial-quick altered v1)" in row.efforts
    assert row.cells[8].attacked and any("Ann" in words for words in row.cells[8].held_by)


def test_a_row_tells_what_it_cost(packed: Path) -> None:
    mine = read_result(packed)
    assert isinstance(mine.attacks, tuple)
    page = page_of(list(attack_pages([mine])), "linf-prompt")
    own = [v for s in mine.attacks if s.label.startswith("linf-prompt") for v in s.videos.values()]
    assert page.rows[0].passes == sum(v.passes for v in own) > 0
    assert page.rows[0].cpu_seconds == pytest.approx(sum(v.cpu_seconds for v in own)) and own[0].cpu_seconds > 0
    older = tuple(
        msgspec.structs.replace(s, videos={k: msgspec.structs.replace(v, cpu_seconds=0.0) for k, v in s.videos.items()})
        for s in mine.attacks
    )
    page = page_of(list(attack_pages([msgspec.structs.replace(mine, attacks=older)])), "linf-prompt")
    assert board_data(page)["rows"][0]["cpu_seconds"] is None and "CPU s" in sheet_markdown(sheet_of(page))


def test_files_are_made_again_from_results_alone(packed: Path, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    rvos.leaderboard(packed, output=boards, site=True)
    first = {p.relative_to(boards): p.read_bytes() for p in boards.rglob("*") if p.is_file()}
    names = {p.name for p in boards.iterdir()}
    assert {"folder--attack-linf-prompt.md", "folder--attack-linf-all.csv", "folder--attack-linf-all.json"} <= names
    for path in boards.glob("folder--*"):
        path.unlink()
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "-o", str(boards), "--site"])
    assert ended.value.code == 0
    assert {p.relative_to(boards): p.read_bytes() for p in boards.rglob("*") if p.is_file()} == first
    text = (boards / "folder--attack-linf-prompt.md").read_text()
    assert "## Reduced effort" in text and "not found is not safe" in text and "## Standard" not in text
    assert "[folder--attack-linf-prompt](folder--attack-linf-prompt.md)" in (boards / "README.md").read_text()
    assert 'href="attacks.html"' in (boards / "site/index.html").read_text()
    attacks = (boards / "site/attacks.html").read_text()
    assert "Reduced effort" in attacks and re.search(
        r"J&amp;F of 1 attacked model: \d\S* clean, \d\S* at budget ", attacks
    )
    data = json.loads((boards / "folder--attack-linf-prompt.json").read_text())
    assert data["rows"][0]["standing"] == REDUCED and data["rows"][0]["weights_sha256"] is not None


def test_a_split_from_anybody_lowers_a_row_and_never_raises_it(packed: Path) -> None:
    mine = read_result(packed)
    before = page_of(list(attack_pages([mine])), "linf-prompt").rows[0].cells[2]
    lower = changed(mine, 0.25, "20300101-000000-lower", "Bob")
    higher = changed(mine, 1.02, "20300101-000000-higher", "Eve")
    row = page_of(list(attack_pages([mine, lower])), "linf-prompt").rows[0]
    assert row.cells[2].robust.value < before.robust.value
    assert any(words.endswith("by Bob") for words in row.cells[2].held_by)
    row = page_of(list(attack_pages([mine, higher])), "linf-prompt").rows[0]
    assert row.cells[2].robust.value == before.robust.value and row.cells[2].held_by == before.held_by


def as_other(result: Result, name: str) -> Result:
    """The same scores as those of another model, on splits made against that one."""
    manifest = result.manifest
    labels = {c.label: c.label.replace("@toy", f"@{name}") for c in manifest.conditions}
    conditions = [
        msgspec.structs.replace(c, label=labels[c.label], source=name if c.source == "toy" else c.source)
        for c in manifest.conditions
    ]
    models = [msgspec.structs.replace(manifest.models[0], name=name)]
    records = tuple(msgspec.structs.replace(r, model=name, condition=labels[r.condition]) for r in result.records)
    return msgspec.structs.replace(
        result, manifest=msgspec.structs.replace(manifest, conditions=conditions, models=models), records=records
    )


def test_two_models_are_compared_each_on_what_hurts_it_most(packed: Path) -> None:
    mine = read_result(packed)
    other = as_other(changed(mine, 0.5, "20300101-000000-other", "Bob"), "Other")
    found = {d.name: d for d in rvos.compare(mine, other).robust}
    assert list(found) == ["linf-prompt-e2", "linf-prompt-e8", "linf-all-e4"]
    e2 = found["linf-prompt-e2"]
    board = page_of(list(attack_pages([mine])), "linf-prompt").rows[0].cells[2]
    assert e2.a == pytest.approx(board.robust.value) and e2.b < e2.a
    assert e2.interval.value == pytest.approx(e2.a - e2.b) and e2.interval.low < e2.interval.value < e2.interval.high
    assert e2.p >= 0.5  # two videos can show no less, and three threats are corrected for
    assert not rvos.compare(mine, as_other(mine, "toy-of-a-friend")).corruptions  # other frames: no such difference


def test_a_model_that_was_not_attacked_is_not_compared_under_attack(packed: Path) -> None:
    mine = read_result(packed)
    models = [msgspec.structs.replace(mine.manifest.models[0], name="Shown")]
    shown = msgspec.structs.replace(
        mine,
        manifest=msgspec.structs.replace(mine.manifest, models=models),
        records=tuple(msgspec.structs.replace(r, model="Shown") for r in mine.records),
    )
    assert rvos.compare(mine, shown).robust == ()


def test_a_row_is_not_ahead_for_want_of_the_largest_budget(packed: Path) -> None:
    mine = read_result(packed)
    assert isinstance(mine.attacks, tuple)
    fewer = as_other(changed(mine, 0.98, "20300101-000000-fewer", "Bob"), "Other")
    dropped = {c.label for c in fewer.manifest.conditions if c.is_stored and c.severity == 8}
    conditions = [c for c in fewer.manifest.conditions if c.label not in dropped]
    fewer = msgspec.structs.replace(
        fewer,
        manifest=msgspec.structs.replace(fewer.manifest, conditions=conditions),
        records=tuple(r for r in fewer.records if r.condition not in dropped),
        attacks=tuple(
            msgspec.structs.replace(s, label=s.label.replace("@toy", "@Other"), made=s.made | {"source": {
                **s.made["source"], "name": "Other"}} if s.made.get("source") else s.made)
            for s in mine.attacks if "e8" not in s.label
        ),
    )  # fmt: skip
    rows = page_of(list(attack_pages([mine, fewer])), "linf-prompt").rows
    assert [row.model for row in rows] == ["toy", "Other"]
    assert rows[1].mean(list(rows[1].cells)) > rows[0].mean(list(rows[0].cells))


def test_flags_stand_in_the_row(packed: Path) -> None:
    mine = read_result(packed)
    assert isinstance(mine.attacks, tuple)

    def flagged(record: AttackRecord) -> AttackRecord:
        return msgspec.structs.replace(record, flags=(Flag("gradient", "zero at frame 0"), Flag("unbounded", "9.0")))

    splits = tuple(
        msgspec.structs.replace(s, videos={k: flagged(v) for k, v in s.videos.items()}) if "e2@" in s.label else s
        for s in mine.attacks
    )
    page = page_of(list(attack_pages([msgspec.structs.replace(mine, attacks=splits)])), "linf-prompt")
    text = sheet_markdown(sheet_of(page))
    assert (
        "ERROR gradient: e2 zero at frame 0" in text
        and "unbounded: e2 9.0" in text
        and "Marked !: no evaluation" in text
    )
    cell = page.rows[0].cells[2]
    assert f"{cell.robust.value:.1f}!" in text
    assert "gradient" in board_csv(page) and board_data(page)["rows"][0]["budgets"]["2"]["flags"][0]["error"] is True


@pytest.mark.parametrize(
    ("preset", "changes", "threat", "expected"),
    [
        ("adversarial", {}, "linf-prompt-e2", STANDARD),
        ("adversarial altered", {"steps": 20}, "linf-prompt-e2", REDUCED),
        ("adversarial", {"steps": 20}, "linf-prompt-e2", REDUCED),  # a file that calls itself adversarial
        ("adversarial", {"starts": 1}, "linf-prompt-e2", REDUCED),
        ("adversarial altered", {"steps": 300}, "linf-prompt-e2", BY_HAND),
        ("mine", {}, "linf-prompt-e2", BY_HAND),
        ("adversarial altered", {"window": 4}, "linf-all-e4", BY_HAND),
        ("adversarial-quick", {"losses": ["lost"], "steps": 20}, "linf-all-e1", REDUCED),
        ("adversarial-black", {}, "square-all-e8", STANDARD),
        ("adversarial-black altered", {"queries": 50}, "square-all-e8", REDUCED),
    ],
)
def test_effort_is_told_apart(preset: str, changes: dict[str, object], threat: str, expected: str) -> None:
    kind = read_threat(threat)
    base = "adversarial-black" if kind.kind == "square" else "adversarial"
    effort = load_attack_preset(base).facts(kind) | changes
    made = {
        "preset": {"name": preset, "version": 1}, "effort": effort, "threat_version": VERSION,
        "attack_version": ATTACK_VERSIONS[kind.kind], "threat": threat,
    }  # fmt: skip
    assert standing(kind, made) == expected
    assert f"({preset} v1)" in effort_words(made) and "search v" not in effort_words(made)
    older = {**made, "attack_version": ATTACK_VERSIONS[kind.kind] - 1}
    assert standing(kind, older) == (REDUCED if expected == REDUCED else BY_HAND)
    assert f"search v{ATTACK_VERSIONS[kind.kind] - 1}" in effort_words(older)


def test_a_short_horizon_is_told() -> None:
    effort = {"losses": ["lost"], "steps": 20, "starts": 1, "horizon": 4, "window": 0}
    made = {"effort": effort, "preset": {"name": "mine", "version": 1}, "threat": "linf-prompt-e2"}
    assert effort_words(made) == "1 loss x 20 steps x 1 start, horizon 4 (mine v1)"
    assert effort_words(made | {"threat": "linf-all-e2"}) == (
        "1 loss x 20 steps x 1 start, window of the whole video (mine v1)"
    )
    assert "horizon" not in effort_words(made | {"effort": effort | {"horizon": 8}})


def test_a_data_set_is_packed_as_it_is_opened(packed: Path, made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is demo, and the run was made on folder"):
        rvos.pack(made / "scores", dataset="demo", output=tmp_path / "x.json.gz")
    again = rvos.pack(made / "scores", dataset="folder", output=tmp_path / "y.json.gz", maker="Ann")
    assert again.read_bytes() == packed.read_bytes()


def test_shortened_curves_raise_the_same_flag() -> None:
    curve = [float(v) for v in range(90, 40, -1)]
    record = AttackRecord("lost", trace={"lost": [curve]})
    assert converged_of([record]) == converged_of([record.short()]) != []
    assert len(record.short().trace["lost"][0]) == 3


def test_a_model_that_was_only_shown_others_frames_is_not_attacked(packed: Path) -> None:
    mine = read_result(packed)
    assert isinstance(mine.attacks, tuple)
    other = msgspec.structs.replace(mine.manifest.models[0], weights_sha256="0" * 64)
    manifest = msgspec.structs.replace(mine.manifest, models=[other])
    page = page_of(list(attack_pages([msgspec.structs.replace(mine, manifest=manifest)])), "linf-prompt")
    (row,) = page.rows
    assert (
        row.standing == TRANSFER
        and not row.cells[2].attacked
        and row.transfer[1].startswith("linf-prompt")
        and row.e50 is None
    )
    assert "## Not attacked" in sheet_markdown(sheet_of(page))


def test_what_is_refused(packed: Path, made: Path, tmp_path: Path) -> None:
    mine = read_result(packed)
    with pytest.raises(DataError, match="not those of its conditions"):
        assert isinstance(mine.attacks, tuple)
        sum_ = checksum(mine.manifest, mine.records, mine.objects, mine.attacks[1:])
        verify(msgspec.structs.replace(mine, attacks=mine.attacks[1:], checksum=sum_), "it")
    with pytest.raises(UsageError, match="other weights"):
        model = msgspec.structs.replace(mine.manifest.models[0], adapter_version="99")
        attack_pages(
            [mine, msgspec.structs.replace(mine, manifest=msgspec.structs.replace(mine.manifest, models=[model]))]
        )
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    shutil.copytree(made / "scores", tmp_path / "alone" / "scores")
    with pytest.raises(UsageError, match="--attacked"):
        rvos.pack(tmp_path / "alone" / "scores")
    assert rvos.pack(tmp_path / "alone" / "scores", attacked=copy, output=tmp_path / "a.json.gz").is_file()
    split = next(copy.glob("linf-prompt-e2@*"))
    first, *_, last = sorted((split / "JPEGImages" / "one").glob("*.png"))
    shutil.copy(last, first)
    with pytest.raises(DataError, match="checks failed"):
        rvos.leaderboard(copy / "scores", output=tmp_path / "boards")
    assert not (tmp_path / "boards").exists()


def test_a_variant_stands_in_the_tables_under_its_own_name() -> None:
    """Splits are folders, which cannot be called "toy[fault=x]"; one model against its own frames is no transfer."""
    name, label, nan = "toy[fault=x]", "linf-prompt-e2", math.nan
    rows = [Row(model, 90.0, {label: 40.0}, {}, (nan, ""), nan, None) for model in (name, "other")]
    source = safe_name(name)
    alone = Board((label,), (rows[0],), (source,), {(label, source, name): 40.0})
    assert not [line for line in lines(alone) if "made against" in line]
    both = Board((label,), tuple(rows), (source,), {(label, source, model): 40.0 for model in (name, "other")})
    shown = list(lines(both))
    assert [line for line in shown if "made against" in line] and not [line for line in shown if source in line]
