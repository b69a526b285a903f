"""A Ray cluster as the driver sees it: joined, asked, watched, and joined again where its head comes back."""

from __future__ import annotations

import contextlib
import importlib
import platform
import re
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from robust_vos_bench.errors import ClusterLostError, DataError, MissingExtraError, UsageError
from robust_vos_bench.runs.plan import Plan
from robust_vos_bench.runs.ray.nodes import Need, inspect_node, slots, task_need
from robust_vos_bench.runs.ray.transfer import FileServer, can_ship
from robust_vos_bench.system.variables import environment
from robust_vos_bench.system.waits import waiting
from robust_vos_bench.version import __version__

REJOIN_SECONDS = 300.0
"""How long a run waits for a head, or for the last node, to come back."""
ANSWER_SECONDS = 2.0
"""A head that takes no connection for so long does not answer."""
RETURN_SECONDS = 40.0
"""A head that does not answer for so long has lost what it knew: Ray ends a driver of its own accord after 60."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class HeadLostError(Exception):
    """The head does not answer any more: what is known of nodes and lanes is void."""


class Cluster:
    """One cluster, of which this process is a driver.

    address: of a running cluster ("auto" finds it), None starts one on this machine. gpus: GPUs per task (a fraction
    lets tasks share one, 0 runs on CPUs), producers: processes per task that make frames ahead; None chooses by the
    cluster and the models' cards. ship: when nodes get their data from the driver: "auto" where they lack it, "always"
    where theirs differs as well, "never". device: "cpu" takes no GPU, "cuda" insists on one, "auto" takes one where the
    cluster has some.
    """

    def __init__(
        self, address: str | None, gpus: float | None, producers: int | None, ship: str, device: str = "auto"
    ) -> None:
        self.ray: Any = None
        self.address, self.producers, self.ship, self.device = address, producers, ship, device
        self.gpus = 0.0 if gpus is None and device == "cpu" else gpus
        self._own = False
        self._head = self._identity = ""
        self._silent_since: float | None = None

    def join(self) -> None:
        """Join the cluster, or start one.

        Raises MissingExtraError without Ray, UsageError for a device that Ray cannot give, DataError where there is no
        cluster.
        """
        check_device(self.device, self.gpus)
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("--engine ray needs Ray: pip install 'rvos-bench[ray]'") from error
        self.ray = ray
        if not ray.is_initialized():
            # "local" starts one; without an address Ray would join whatever was started here before.
            try:
                self._init(self.address or "local")
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise DataError(f"no Ray cluster at {self.address!r}: {error}") from error
        self._know()

    def _know(self) -> None:
        self._head = str(self.ray.get_runtime_context().gcs_address)
        self._identity = identity_of(self._head)

    def _init(self, address: str) -> None:
        # Tasks without a GPU keep the devices they see; Ray's future default, and silent about it.
        with environment({"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}), waiting("starting Ray"):
            self.ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)
        self._own, self._silent_since = True, None

    def leave(self) -> None:
        """Leave the cluster, if this object joined it."""
        if self._own:
            self._own = False
            self.ray.shutdown()

    def rejoin(self, seconds: float, stopped: Callable[[], bool]) -> bool:
        """Wait for the head to come back and join again; False where `stopped` meanwhile.

        Raises ClusterLostError where it is not back after `seconds`, or cannot be joined from here.
        """
        started_elsewhere, alone = not self._own, self.address is None
        self.leave()
        if started_elsewhere or alone:
            raise self.lost("was lost")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if stopped():
                return False
            if self._takes_connections():
                with contextlib.suppress(ConnectionError, ValueError, RuntimeError):  # it is only just starting
                    self._init(self._head if self.address == "auto" else str(self.address))
                    self._know()
                    return True
            time.sleep(1.0)
        raise self.lost(f"was lost and not back within {seconds:g} s")

    def lost(self, what: str) -> ClusterLostError:
        """The error that ends a run: what became of the cluster, and what to do."""
        return ClusterLostError(
            f"the Ray cluster at {self._head} {what}. Finished units are kept; start it again, and the same command "
            "goes on"
        )

    def answers(self) -> bool:
        """Whether the head takes connections. Raises HeadLostError where it has not for `RETURN_SECONDS`, or where
        another one is in its place.

        Asked before every other question: Ray waits for a head that does not answer, and then ends the process; of a
        head that does not know it, Ray ends the process at once.
        """
        if self._takes_connections():
            if self._silent_since is not None and (not self._identity or identity_of(self._head) != self._identity):
                raise HeadLostError
            self._silent_since = None
            return True
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        if now - self._silent_since > RETURN_SECONDS:
            raise HeadLostError
        return False

    def _takes_connections(self) -> bool:
        host, _, port = self._head.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def nodes(self) -> list[dict[str, Any]]:
        """Nodes that are there and have a CPU.

        Raises HeadLostError where the node that this process joined by is not one of them: another head is there, or
        this node was given up for dead, and nothing can be started from here any more.
        """
        alive = [node for node in self.ray.nodes() if node["Alive"]]
        if self._here() not in [node["NodeID"] for node in alive]:
            raise HeadLostError
        return [node for node in alive if node["Resources"].get("CPU", 0) >= 1]

    def _here(self) -> str:
        """The node that this process joined by."""
        return str(self.ray.get_runtime_context().get_node_id())

    def room(self, need: Need) -> int:
        """How many tasks run at a time now: nodes come and go."""
        return max(sum(slots(need, node["Resources"]) for node in self.nodes()), 1)

    def prepare(self, plan: Plan, shared_plan: Any, folder: str) -> tuple[Need, Any]:
        """Ask every node for its version, data and GPUs before anything is spent; (need of a task, files or None)."""
        nodes = self.nodes()
        asked = [self._ask(node, shared_plan, folder) for node in nodes]
        reports = [self._report(answer) for answer in asked]
        lacking, problems = False, []
        for node, report in zip(nodes, reports, strict=True):
            wrong, lacks = self.judge(plan, report)
            lacking |= lacks
            if wrong:
                problems.append(f"node {name_of(node)} {wrong}")
        if problems:
            raise DataError("the cluster cannot be used as it is:\n  " + "\n  ".join(problems))
        sizes = [report["gpu_gib"] for report in reports if report["gpu_gib"]]
        resources = [node["Resources"] for node in nodes]
        need = task_need(plan, resources, min(sizes, default=None), self.gpus, self.producers)
        if self.device == "cuda" and not need.gpus:
            raise UsageError("--device cuda: no node of the cluster has a GPU that Ray knows of; use auto or cpu")
        return need, self.file_server(plan) if lacking else None

    def judge(self, plan: Plan, report: dict[str, Any]) -> tuple[str, bool]:
        """(why a node cannot be used, or "", whether the data has to be sent to it), by what `inspect_node` found."""
        wrong, lacks = report["wrong"], report["data"]
        if "other data" in wrong and self.ship == "always":
            wrong, lacks = "", wrong
        if lacks and (self.ship == "never" or not can_ship(plan.dataset)):
            wrong = wrong or lacks
        return wrong, bool(lacks)

    def _ask(self, node: dict[str, Any], shared_plan: Any, folder: str) -> Any:
        gpus = 0.01 if node["Resources"].get("GPU", 0) else 0
        ask = self.ray.remote(num_cpus=1, num_gpus=gpus, max_retries=1)(inspect_node)
        return ask.options(scheduling_strategy=on_node(node["NodeID"])).remote(shared_plan, __version__, folder)

    def _report(self, answer: Any) -> dict[str, Any]:
        try:
            return dict(self.ray.get(answer))
        except self.ray.exceptions.RayError as error:
            return {"wrong": f"could not be asked ({first_line(error)})", "data": "", "gpu_gib": None}

    def file_server(self, plan: Plan) -> Any:
        """The actor that reads the data, on the node that this process runs on."""
        return self.beside(FileServer).remote(plan.dataset)

    def beside(self, kind: type) -> Any:
        """An actor class without needs, on the node that this process runs on."""
        return self.ray.remote(num_cpus=0)(kind).options(scheduling_strategy=on_node(self._here()))


def identity_of(head: str) -> str:
    """What the cluster with this head calls itself, "" where that cannot be told: Ray has no public word for it."""
    try:
        raylet: Any = importlib.import_module("ray._raylet")
        return str(raylet.GcsClient(address=head).cluster_id.hex())
    except Exception:
        return ""


def check_device(device: str, gpus: float | None) -> None:
    """Raise UsageError for a device that cannot be asked of a cluster."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--device {device}: on a Ray cluster Ray chooses the GPU of each task; use auto, cpu or cuda, and "
            "--ray-gpus for how much of one"
        )
    if device == "cpu" and gpus:
        raise UsageError(f"--device cpu takes no GPU, --ray-gpus {gpus:g} asks for some; leave one of them out")
    if device == "cuda" and gpus == 0:
        raise UsageError("--device cuda asks for GPUs, --ray-gpus 0 for none; leave one of them out")


def on_node(node_id: str) -> Any:
    """On this node and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)


def name_of(node: dict[str, Any]) -> str:
    """A node, for a person."""
    return f"{node.get('NodeManagerHostname') or node.get('NodeName') or platform.node()} ({node['NodeID'][:8]})"


def first_line(error: BaseException) -> str:
    """What a Ray error says first; of an error raised in a task, the error itself and not its traceback."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return f"{type(cause).__name__}: {cause}"
    lines: Sequence[str] = _COLOURS.sub("", str(error)).strip().splitlines() or [""]
    if "creation task" in lines[0]:  # what follows is a traceback, which ends with what was raised
        return lines[-1]
    return f"{type(error).__name__}: {lines[0]}"
