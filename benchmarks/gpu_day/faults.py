"""What goes wrong on GPUs, done on purpose to real runs: what the product says, and what it saves.

Each step compares with what should be: `asked` has the sentences that did not hold.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from gpu_day.product import Watch, finish, read_units, run, scores, start, words
from gpu_day.setting import Rows, Setting, Step

SPOILERS = Path(__file__).with_name("spoilers.py")
SLEEPING = Path(__file__).resolve().parents[1] / "sleeping.py"


def beside(setting: Setting) -> str:
    """A model that runs beside the one that goes wrong; in a dry run one that is quickly loaded."""
    return "flow" if setting.small else "aot.t"


def steps(setting: Setting) -> list[Step]:
    """The most likely fault first."""
    return [
        Step("faults", "out of memory", out_of_memory, (), 40),
        Step("faults", "a worker is killed", killed, (), 40),
        Step("faults", "a ruined GPU context", ruined, (), 60),
        Step("faults", "devices that are not there", bad_devices, (), 30),
        Step("sharing", "two models, two runs, two workers", sharing, (), 150),
    ]


def out_of_memory(setting: Setting) -> Rows:
    """A model takes all memory on one video; another model shares its process."""
    out = setting.folder / "runs" / "oom"
    arguments = spoiled(setting, "Hungry", out)
    with Watch(setting) as watch:
        done = run(arguments, out)
    failed = [u for u in done.units if u["status"] == "failed"]
    again = run(arguments, out, fresh=False)
    asked = wrong(
        ("the run ends with exit code 3", done.code == 3),
        ("one unit fails", [(u["model"], u["video"]) for u in failed] == [("hungry", "v01")]),
        ("its record says that memory ran out", all("out of memory" in u.get("error", "") for u in failed)),
        ("all other units are done", all(u["status"] == "ok" for u in done.units if u not in failed)),
        ("the same command tries it again", again.code == 3),
    )
    return {
        "asked": asked,
        "said": [u.get("error", "")[:300] for u in failed],
        "seconds": done.seconds,
        **watch.found(),
    }


def killed(setting: Setting) -> Rows:
    """The model process is killed (SIGKILL) after its first unit."""
    out, whole = setting.folder / "runs" / "killed", setting.folder / "runs" / "whole"
    name = f"{SLEEPING}:Sleeping" if setting.small else beside(setting)
    more = ["--corruption", "gaussian_noise", "--severity", "3"]
    more += ["--option", "fps=8"] if setting.small else []
    run([*words(setting, name, whole), *more], whole)
    shutil.rmtree(out, ignore_errors=True)
    begun = time.perf_counter()
    process = start([*words(setting, name, out), *more, "--producers", "1"])
    victim = 0
    while process.poll() is None and time.perf_counter() - begun < 120:
        if read_units(out) and (victim := worker_of(process.pid)):
            os.kill(victim, signal.SIGKILL)
            break
        time.sleep(0.02)
    done = finish(process, begun, out)
    asked = wrong(
        ("there was a worker to kill", victim > 0),
        ("the run ends with exit code 0", done.code == 0),
        ("its scores are those of an undisturbed run", scores(done.units) == scores(read_units(whole))),
    )
    return {
        "asked": asked,
        "said": [f"attempts by unit: {sorted(u.get('attempts', 1) for u in done.units)}"],
        "seconds": done.seconds,
    }


def worker_of(parent: int) -> int:
    """The process of the model: the child whose own children make frames. 0 where there is none (Linux only)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return next((child for child in children.get(parent, []) if children.get(child)), 0)


def ruined(setting: Setting) -> Rows:
    """A kernel fails on one video, after which its process can use the GPU no more."""
    out = setting.folder / "runs" / "ruined"
    done = run([*spoiled(setting, "Ruins", out), "--producers", "1"], out)
    failed = [u for u in done.units if u["status"] == "failed"]
    asked = wrong(
        ("the run ends with exit code 3", done.code == 3),
        ("one unit fails", [(u["model"], u["video"]) for u in failed] == [("ruins", "v01")]),
        ("its record names the error of CUDA", all("CUDA error" in u.get("error", "") for u in failed)),
        ("all other units are done", all(u["status"] == "ok" for u in done.units if u not in failed)),
    )
    return {"asked": asked, "said": [u.get("error", "")[:300] for u in failed], "seconds": done.seconds}


def bad_devices(setting: Setting) -> Rows:
    """Words for devices that cannot be: each ends with exit code 2 and a sentence, and nothing is computed."""
    out = setting.folder / "runs" / "bad"
    cases: list[tuple[str, dict[str, str]]] = [
        ("cuda:99", {}),
        ("cuda:0,cpu", {}),
        ("cuda:x", {}),
        ("cuda", {"CUDA_VISIBLE_DEVICES": ""}),
    ]
    said, checks = [], []
    for device, environment in cases[:2] if setting.small else cases:
        done = run(
            [*words(setting, beside(setting), out, device), "--corruption", "clean"], out, environment=environment
        )
        hidden = " with no GPU visible" if environment else ""
        checks.append((f"--device {device}{hidden} ends with exit code 2", done.code == 2))
        checks.append((f"--device {device}{hidden} computes nothing", not read_units(out)))
        said.append(f"--device {device}{hidden}: {' '.join(done.stderr.split())[:300]}")
    return {"asked": wrong(*checks), "said": said}


def sharing(setting: Setting) -> Rows:
    """Two models in one process; two runs at once on the device; two workers on the device."""
    models = ("flow", "static") if setting.small else ("aot.r50_l", "xmem")
    folder, more = setting.folder / "runs", ["--corruption", "clean"]
    two = "cpu,cpu" if setting.device == "cpu" else f"{setting.device},{setting.device}"
    alone = {
        m: run([*words(setting, m, folder / f"alone-{i}"), *more], folder / f"alone-{i}") for i, m in enumerate(models)
    }
    with Watch(setting) as watch:
        together = run([*words(setting, ",".join(models), folder / "together"), *more], folder / "together")
    begun = time.perf_counter()
    outs = [folder / f"beside-{i}" for i in range(2)]
    for out in outs:
        shutil.rmtree(out, ignore_errors=True)
    processes = [start([*words(setting, m, out), *more]) for m, out in zip(models, outs)]
    at_once = [finish(p, begun, out) for p, out in zip(processes, outs)]
    rows: dict[str, Any] = {
        "alone": {m: rate(d.units, m) for m, d in alone.items()},
        "one run": {m: rate(together.units, m) for m in models},
        "two runs": {m: rate(d.units, m) for m, d in zip(models, at_once)},
    }
    checks = [
        ("every run ends with exit code 0", all(d.code == 0 for d in [*alone.values(), together, *at_once])),
        (
            "scores of one run of two models are those of each alone",
            all(scores(together.units, m) == scores(d.units) for m, d in alone.items()),
        ),
        ("scores of two runs at once are those of each alone",
         all(scores(b.units) == scores(d.units) for b, d in zip(at_once, alone.values()))),
    ]  # fmt: skip
    if not setting.small:
        doubled = run([*words(setting, models[0], folder / "doubled", two), *more], folder / "doubled")
        rows["two workers"] = {models[0]: rate(doubled.units, models[0])}
        rows["seconds"] = {"one worker": alone[models[0]].seconds, "two workers": doubled.seconds}
        checks.append(
            ("scores of two workers are those of one", scores(doubled.units) == scores(alone[models[0]].units))
        )
    return {"asked": wrong(*checks), "rates": rows, **watch.found()}


def rate(units: list[dict[str, Any]], model: str) -> float:
    """Frames per second of a model's own time."""
    own = [u for u in units if u["model"] == model]
    return float(sum(u["frames"] for u in own) / max(sum(u["seconds_model"] for u in own), 1e-9))


def spoiled(setting: Setting, spoiler: str, out: Path) -> list[str]:
    """A run of a model that goes wrong and of one beside it, in one process; only the latter has weights."""
    arguments = words(setting, f"{SPOILERS}:{spoiler},{beside(setting)}", out)
    if "--checkpoint" in arguments:
        arguments[arguments.index("--checkpoint") + 1] = f"{beside(setting)}=random"
    return [*arguments, "--corruption", "clean"]


def wrong(*checks: tuple[str, bool]) -> list[str]:
    """What was asked for and did not hold."""
    return [what for what, holds in checks if not holds]


def table(found: dict[str, Rows]) -> list[str]:
    """Markdown: what was done, whether all held, what was said."""
    lines = ["| fault | as it should be | what was said | seconds |", "|---|---|---|---|"]
    for name, r in found.items():
        held = "yes" if not r["asked"] else "**no**: not so: " + "; ".join(r["asked"])
        told = "<br>".join(t.replace("|", "/") for t in r.get("said", []))
        lines.append(f"| {name} | {held} | {told} | {r.get('seconds', 0):.0f} |")
    return lines


def sharing_table(found: dict[str, Rows]) -> list[str]:
    """Markdown: frames per second of each model, by how it shares the device."""
    lines = []
    for r in found.values():
        models = list(r["rates"]["alone"])
        lines += ["| how | " + " | ".join(f"{m}, fps" for m in models) + " |", "|---" * (len(models) + 1) + "|"]
        for how, rates in r["rates"].items():
            if how != "seconds":
                lines.append(f"| {how} | " + " | ".join(f"{rates[m]:.3g}" if m in rates else "" for m in models) + " |")
        if "seconds" in r["rates"]:
            seconds = r["rates"]["seconds"]
            lines += ["", f"Whole run: one worker {seconds['one worker']:.1f} s, two {seconds['two workers']:.1f} s."]
        lines += ["", "All as it should be." if not r["asked"] else "**Not so: " + "; ".join(r["asked"]) + "**"]
    return lines
