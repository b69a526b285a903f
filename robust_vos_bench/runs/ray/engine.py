"""More than one machine: the same groups as Ray tasks. Ray schedules, retries and survives lost nodes.

The driver is the only writer: it appends every record to the run directory as it arrives, so that resume, leaderboards
and reports see no difference to a local run.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from robust_vos_bench.errors import DataError, MissingExtraError
from robust_vos_bench.runs.local.workers import PRODUCER_DIED
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.ray.nodes import Need, inspect_node, slots, task_need
from robust_vos_bench.runs.ray.transfer import FileNote, FileServer, ShippedDataset, can_ship
from robust_vos_bench.runs.work.process import limit_threads
from robust_vos_bench.runs.work.worker import FATAL, Worker, failed_record
from robust_vos_bench.runs.writer import ATTEMPTS, RecordWriter, Scored
from robust_vos_bench.system.variables import environment
from robust_vos_bench.system.waits import waiting
from robust_vos_bench.version import __version__

COUNT_SECONDS = 1.0
"""Seconds between two counts of the nodes, which come and go; a count takes milliseconds."""

TELL_SECONDS = 1.0
"""A task tells the driver how far it is at most this often."""
SILENCE = 120.0
"""Seconds without a word after which a task counts as gone."""

_workers: dict[str, Worker] = {}
"""Plan identity -> the worker of this process: Ray reuses processes, so models stay loaded between tasks."""


def run_group(plan: Plan, group: Group, need: Need, folder: str, files: Any, board: Any = None) -> list[Scored]:
    """The body of a task: all models of one corrupted video, in a process that keeps its models.

    files: the actor that has the data, where nodes may lack it. board: the actor that is told how far the task is.
    """
    if plan.identity not in _workers:
        limit_threads(1)
        _workers.clear()
        if files is not None:
            plan = replace(plan, dataset=ShippedDataset(plan.dataset, plan.fingerprints, RemoteFiles(files)))
        scratch = Path(tempfile.mkdtemp(prefix="rvos-ray-")) if need.producers else None
        device = "cuda" if need.gpus else "cpu"
        _workers[plan.identity] = Worker(
            plan, device, Path(folder), need.producers, scratch, None if board is None else RemotePulse(board)
        )
    try:
        return list(_workers[plan.identity].run(group))
    except BrokenProcessPool:
        os._exit(PRODUCER_DIED)  # Ray starts the task again in another process


class Board:
    """What all tasks do now, in an actor beside the driver: process -> (frames, text, when it was told)."""

    def __init__(self) -> None:
        self._notes: dict[str, tuple[int, str, float]] = {}

    def tell(self, who: str, frames: int, text: str) -> None:
        """One process says what it does."""
        self._notes[who] = (frames, text, time.monotonic())

    def read(self) -> list[tuple[int, str]]:
        """(frames, text) of every process that has said something lately; a lost node says nothing any more."""
        now = time.monotonic()
        return [(frames, text) for frames, text, told in self._notes.values() if text and now - told < SILENCE]


class RemotePulse:
    """A pulse in another node's process: one message in `TELL_SECONDS` and one per unit; it waits for no answer."""

    def __init__(self, board: Any) -> None:
        self._board, self._who = board, f"{platform.node()}-{os.getpid()}"
        self._frames, self._text, self._told = 0, "", -math.inf

    def says(self, text: str) -> None:
        """What the worker does now; between two tasks the last word stands."""
        if text:
            self._text = text
            self._send()

    def frame(self, count: int) -> None:
        """So many frames of the unit at hand are segmented; the end of a unit is told at once, or they count twice."""
        ended, self._frames = count == 0 and self._frames > 0, count
        self._send(now=ended)

    def read(self) -> tuple[int, str]:
        """(frames, text) of this moment."""
        return self._frames, self._text

    def _send(self, now: bool = False) -> None:
        due = time.monotonic() - self._told > TELL_SECONDS
        if due or now:
            self._told = time.monotonic() if due else self._told
            with contextlib.suppress(Exception):  # a board that is gone is missed by nobody
                self._board.tell.remote(self._who, self._frames, self._text)


class BoardPulse:
    """The driver's end: all tasks together, as of the last time that the board was read."""

    def __init__(self, ray: Any, board: Any) -> None:
        self._ray, self._board = ray, board
        self._asked: Any = None
        self._refreshed = -math.inf
        self._notes: list[tuple[int, str]] = []

    def refresh(self) -> None:
        """Take the board's answer if it is there, and ask again, once in `TELL_SECONDS`; never waits."""
        if time.monotonic() - self._refreshed < TELL_SECONDS:
            return
        self._refreshed = time.monotonic()
        with contextlib.suppress(self._ray.exceptions.RayError):
            if self._asked is not None:
                done, _ = self._ray.wait([self._asked], timeout=0)
                if not done:
                    return
                self._notes = self._ray.get(self._asked)
            self._asked = self._board.read.remote()

    def says(self, text: str) -> None:
        """Nobody writes here."""

    def frame(self, count: int) -> None:
        """Nobody writes here."""

    def read(self) -> tuple[int, str]:
        """(frames of all tasks, the text of most)."""
        texts = Counter(text for _, text in self._notes)
        return sum(frames for frames, _ in self._notes), texts.most_common(1)[0][0] if texts else ""


class RemoteFiles:
    """A `FileServer` in another process."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def contents(self, video: str) -> list[FileNote]:
        """The files of one video."""
        return list(self._get(self._actor.contents.remote(video)))

    def read(self, video: str, paths: Sequence[str]) -> list[bytes]:
        """Some of these files."""
        return list(self._get(self._actor.read.remote(video, list(paths))))

    def _get(self, reference: Any) -> Any:
        import ray

        try:
            return ray.get(reference)
        except ray.exceptions.RayError as error:
            raise DataError(f"the data could not be fetched from the driver's node: {first_line(error)}") from error


class RayEngine:
    """Carries out groups on a Ray cluster.

    address: of a running cluster ("auto" finds it), None starts one on this machine. gpus: GPUs per task (a
    fraction lets tasks share one, 0 runs on CPUs), producers: processes per task that make frames ahead; None chooses
    by the cluster and the models' cards. ship: when nodes get their data
    from the driver: "auto" where they lack it, "always" where theirs differs as well, "never". Close it when done.
    """

    def __init__(
        self,
        address: str | None = None,
        gpus: float | None = None,
        producers: int | None = None,
        ship: str = "auto",
    ) -> None:
        self.ray: Any = None
        self.address, self.gpus, self.producers, self.ship = address, gpus, producers, ship
        self._own = False

    def ready(self) -> None:
        """Join the cluster, or start one. Raises MissingExtraError without Ray, DataError where there is no cluster.

        Nodes are asked when the plan is known.
        """
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("--engine ray needs Ray: pip install 'rvos-bench[ray]'") from error
        self.ray = ray
        self._own = not ray.is_initialized()
        if self._own:
            # Tasks without a GPU keep the devices they see; Ray's future default, and silent about it.
            with environment({"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}), waiting("starting Ray"):
                try:
                    # "local" starts one; without an address Ray would join whatever was started here before.
                    where = self.address or "local"
                    ray.init(address=where, log_to_driver=False, configure_logging=False, include_dashboard=False)
                except (ConnectionError, ValueError, RuntimeError) as error:
                    self._own = False
                    raise DataError(f"no Ray cluster at {self.address!r}: {error}") from error

    def __call__(self, plan: Plan, groups: Sequence[Group], write: RecordWriter) -> None:
        """Run `groups` wherever there is room.

        Raises DataError where a node cannot be used, UsageError where none has what a task needs.
        """
        stop = write.stop
        write.activity.doing = "starting tasks on the cluster"
        shared_plan = self.ray.put(plan)
        folder = str(write.store.folder.resolve())
        need, files = self.prepare(plan, shared_plan, folder)
        remote = self.ray.remote(
            num_cpus=need.cpus, num_gpus=need.gpus, max_retries=ATTEMPTS - 1, retry_exceptions=False, max_calls=0
        )(run_group)
        board = self.ray.remote(num_cpus=0)(Board).options(scheduling_strategy=self._on(self._here())).remote()
        pulse = BoardPulse(self.ray, board)
        write.activity.pulses.append(pulse)
        queue = deque(groups)
        flying: dict[Any, Group] = {}
        room, counted, withdrawn = 0, -math.inf, False

        def submit() -> None:
            nonlocal room, counted
            if time.monotonic() - counted > COUNT_SECONDS:
                room, counted = self.room(need), time.monotonic()
                write.activity.workers = max(room, 1)
            # One waits for every one that runs: slots whose tasks end together find their next one there.
            while queue and not stop.asked and len(flying) < 2 * room:
                group = queue.popleft()
                flying[remote.remote(shared_plan, group, need, folder, files, board)] = group

        try:
            submit()
            while flying:
                if stop.asked and not withdrawn:
                    withdrawn = True
                    for task in list(flying)[room:]:  # Ray starts them in this order: these wait
                        self.ray.cancel(task)
                pulse.refresh()
                done, _ = self.ray.wait(list(flying), num_returns=1, timeout=1.0)
                finished = [(flying.pop(task), task) for task in done]
                results = [r for group, task in finished for r in self._results(task, plan, group, queue)]
                submit()  # before writing, which takes milliseconds
                for result in results:
                    write(result)
                submit()
        except BaseException:
            for task in flying:
                self.ray.cancel(task, force=True)
            raise

    def close(self) -> None:
        """Leave the cluster, if this engine joined it."""
        if self._own:
            self._own = False
            self.ray.shutdown()

    def room(self, need: Need) -> int:
        """How many tasks run at a time."""
        return slots(need, [node["Resources"] for node in self._nodes()])

    def _nodes(self) -> list[dict[str, Any]]:
        return [n for n in self.ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) >= 1]

    def _results(self, task: Any, plan: Plan, group: Group, queue: deque[Group]) -> list[Scored]:
        """Results of a finished task; a lost group of several models is split so that only the culprit fails."""
        try:
            results: list[Scored] = self.ray.get(task)
            return results
        except self.ray.exceptions.TaskCancelledError:
            return []  # withdrawn after Ctrl-C: left for the next run
        except self.ray.exceptions.RayError as error:
            if isinstance(cause := getattr(error, "cause", None), FATAL):
                raise cause from error
            if len(group.models) > 1:
                queue.extendleft(replace(group, models=(m,)) for m in reversed(group.models))
                return []
            lost = not isinstance(error, self.ray.exceptions.RayTaskError)  # else it raised: no other node will help
            reason = f"{f'lost {ATTEMPTS} times' if lost else 'failed'} on the cluster ({first_line(error)})"
            record = failed_record(plan, group.models[0], group, reason, 1)
            raised = "" if lost else str(error)  # Ray gives it the traceback of the node
            return [Scored(msgspec.structs.replace(record, attempts=ATTEMPTS if lost else 1), traceback=raised)]

    def prepare(self, plan: Plan, shared_plan: Any, folder: str) -> tuple[Need, Any]:
        """Ask every node for its version, data and GPUs before anything is spent; (need of a task, files or None)."""
        nodes = self._nodes()
        reports = {node["NodeID"]: self._ask(node, shared_plan, folder) for node in nodes}
        lacking = False
        problems = []
        for node in nodes:
            try:
                report = self.ray.get(reports[node["NodeID"]])
            except self.ray.exceptions.RayError as error:
                report = {"wrong": f"could not be asked ({first_line(error)})", "data": "", "gpu_gib": None}
            reports[node["NodeID"]] = report
            wrong, lacks = report["wrong"], report["data"]
            if "other data" in wrong and self.ship == "always":
                wrong, lacks = "", wrong
            shippable = self.ship != "never" and can_ship(plan.dataset)
            lacking |= bool(lacks)
            if wrong or (lacks and not shippable):
                name = node.get("NodeManagerHostname") or node.get("NodeName") or platform.node()
                problems.append(f"node {name} ({node['NodeID'][:8]}) {wrong or lacks}")
        if problems:
            raise DataError("the cluster cannot be used as it is:\n  " + "\n  ".join(problems))
        sizes = [report["gpu_gib"] for report in reports.values() if report["gpu_gib"]]
        resources = [node["Resources"] for node in nodes]
        need = task_need(plan, resources, min(sizes, default=None), self.gpus, self.producers)
        return need, self._file_server(plan) if lacking else None

    def _ask(self, node: dict[str, Any], shared_plan: Any, folder: str) -> Any:
        gpus = 0.01 if node["Resources"].get("GPU", 0) else 0
        ask = self.ray.remote(num_cpus=1, num_gpus=gpus, max_retries=1)(inspect_node)
        return ask.options(scheduling_strategy=self._on(node["NodeID"])).remote(shared_plan, __version__, folder)

    def _file_server(self, plan: Plan) -> Any:
        """The actor that reads the data, on the node that this process runs on."""
        actor = self.ray.remote(num_cpus=0)(FileServer).options(scheduling_strategy=self._on(self._here()))
        return actor.remote(plan.dataset)

    def _here(self) -> str:
        """The node that this process runs on."""
        return str(self.ray.get_runtime_context().get_node_id())

    def _on(self, node_id: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)


def first_line(error: BaseException) -> str:
    """What a Ray error says first; of an error raised in a task, the error itself and not its traceback."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return f"{type(cause).__name__}: {cause}"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
