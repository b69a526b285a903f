"""All lanes of a cluster: which nodes have some, which groups they get, and what becomes of those that die."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from robust_vos_bench.errors import DeviceLostError
from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.ray.board import Board, BoardPulse
from robust_vos_bench.runs.ray.cluster import Cluster, HeadLostError, first_line, name_of, on_node
from robust_vos_bench.runs.ray.lanes import Call, Lane, start_lane
from robust_vos_bench.runs.ray.nodes import Need, slots
from robust_vos_bench.runs.work.worker import FATAL, failed_record
from robust_vos_bench.runs.writer import ATTEMPTS, RecordWriter, Scored
from robust_vos_bench.version import __version__

COUNT_SECONDS = 1.0
"""Seconds between two looks at the nodes, which come and go; a look takes milliseconds."""
CLOSE_SECONDS = 10.0
"""How long lanes have to stop their producers."""


@dataclass
class Work:
    """What is left to do, and how often each unit was tried; it outlives a cluster."""

    queue: deque[Group]
    attempts: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    need: Need | None = None
    """What a lane asks for; decided once, so that a run does not change devices."""

    def back(self, groups: Iterable[Group]) -> None:
        """Groups that were given to a lane and not finished: they come next."""
        self.queue.extendleft(reversed([group for group in groups if group.models]))


class Fleet:
    """The lanes of one cluster while it lasts.

    wait: seconds that it waits for a node where none is left.
    """

    def __init__(self, cluster: Cluster, plan: Plan, work: Work, write: RecordWriter, wait: float) -> None:
        self.cluster, self.plan, self.work, self.write, self.wait = cluster, plan, work, write, wait
        self.ray = cluster.ray
        self.lanes: list[Lane] = []
        self.unfit: dict[str, str] = {}
        """Node -> why it gets no lane."""
        self._failures: Counter[str] = Counter()
        self._looked, self._alone_since = -math.inf, math.inf
        self._folder = str(write.store.folder.resolve())
        self._shared = self.ray.put(plan)
        self._files: Any = None
        if work.need is None:
            work.need, self._files = cluster.prepare(plan, self._shared, self._folder)
        self.need = work.need
        self._board = cluster.beside(Board).remote()
        self._pulse = BoardPulse(self.ray, self._board)

    def run(self) -> None:
        """Work until nothing is left, or until `write.stop.asked` and nothing is in flight.

        Raises HeadLostError where the head is gone, ClusterLostError or DeviceLostError where no node is left. Whatever
        it raises, what was not finished is in the queue again.
        """
        self.write.activity.pulses.append(self._pulse)
        try:
            while self._unfinished():
                self._look()
                self._hand_out()
                self._listen()
            self._close()
        except BaseException:
            for lane in self.lanes:
                self.work.back(lane.groups())
            with contextlib.suppress(Exception):
                if self.cluster.answers():
                    for lane in self.lanes:
                        self.ray.kill(lane.actor)
            raise
        finally:
            self.lanes.clear()
            self.write.activity.pulses.remove(self._pulse)

    def _unfinished(self) -> bool:
        return any(lane.held for lane in self.lanes) or bool(self.work.queue and not self.write.stop.asked)

    def _look(self) -> None:
        """Start lanes on nodes that have room for some."""
        self._pulse.refresh()
        if time.monotonic() - self._looked < COUNT_SECONDS or not self.cluster.answers():
            return
        self._looked = time.monotonic()
        nodes = {node["NodeID"]: node for node in self.cluster.nodes()}
        left = len(self.work.queue) + sum(lane.held for lane in self.lanes)
        fit = {key: slots(self.need, node["Resources"]) for key, node in nodes.items() if key not in self.unfit}
        for key, room in fit.items():
            for _ in range(room - sum(lane.node == key for lane in self.lanes)):
                if len(self.lanes) < left and not self.write.stop.asked:
                    words = (self._shared, self.need, self._folder, self._files, self._board)
                    self.lanes.append(start_lane(self.ray, key, on_node(key), self.need, words, __version__))
        self.write.activity.workers = max(sum(fit.values()), 1)
        self._mind_the_last(any(fit.values()), [key for key in nodes if key in self.unfit])

    def _mind_the_last(self, able: bool, unfit: Sequence[str]) -> None:
        """Wait a while where no node is left; where the ones that are there cannot work, there is no use in it."""
        if able or self.lanes:
            self._alone_since = math.inf
            return
        self._alone_since = min(self._alone_since, time.monotonic())
        self.write.activity.doing = "waiting for a node of the cluster"
        if unfit:
            reasons = [self.unfit[key] for key in unfit]
            gone = [reason for reason in reasons if "is gone" in reason]
            raise DeviceLostError(gone[0]) if gone else self.cluster.lost(f"has no node left ({'; '.join(reasons)})")
        if time.monotonic() - self._alone_since > self.wait:
            raise self.cluster.lost(f"has had no node that can work for {self.wait:g} s")

    def _hand_out(self) -> None:
        """Give groups to lanes, first to those that hold fewest: an end of the run finds them all busy."""
        queue, stop = self.work.queue, self.write.stop
        while queue and not stop.asked:
            free = [lane for lane in self.lanes if lane.has_room]
            if not free:
                break
            min(free, key=lambda lane: lane.held).waiting.append(queue.popleft())
        if stop.asked:
            for lane in self.lanes:
                self.work.back(lane.waiting)
                lane.waiting.clear()
                self._withdraw(lane)
        for lane in self.lanes:
            lane.call()
        if not queue and not stop.asked:
            self._share()

    def _share(self) -> None:
        """Near the end: a lane without work gets what waits at another one."""
        idle = [lane for lane in self.lanes if lane.has_room and not lane.held]
        for lane in idle:
            busy = max(self.lanes, key=lambda other: other.held)
            if busy.waiting:
                lane.waiting.append(busy.waiting.pop())
                lane.call()
            elif not any(other.withdrawn for other in self.lanes):
                self._withdraw(busy)

    def _withdraw(self, lane: Lane) -> None:
        """Ask a call back that waits at a lane; where it runs already, what is left of it is run again."""
        if len(lane.calls) > 1 and not lane.withdrawn:
            lane.withdrawn = True
            self.ray.cancel(lane.calls[-1].results)

    def _listen(self) -> None:
        """Wait for something to happen, and deal with it."""
        expected: dict[Any, tuple[Lane, Call | None]] = {}
        for lane in self.lanes:
            if lane.begun is not None:
                expected[lane.begun] = (lane, None)
            expected.update({call.results: (lane, call) for call in lane.calls})
        if not expected:
            time.sleep(min(COUNT_SECONDS, 0.2))
            return
        done, _ = self.ray.wait(list(expected), num_returns=1, timeout=COUNT_SECONDS)
        results: list[Scored] = []
        for event in done:
            lane, call = expected[event]
            if lane in self.lanes:  # else it died with another of its calls
                results += self._begin(lane) if call is None else self._take(lane, call)
        try:
            self._hand_out()  # before writing, which takes milliseconds
        finally:
            for result in results:
                self.write(result)

    def _begin(self, lane: Lane) -> list[Scored]:
        """A lane has started, or could not."""
        try:
            report = self.ray.get(lane.begun)
        except self.ray.exceptions.RayError as error:
            self._failures[lane.node] += 1
            if self._failures[lane.node] >= ATTEMPTS:
                self._leave_out(lane, f"could not start a worker ({first_line(error)})")
            self._drop(lane)
            return []
        wrong, lacks = self.cluster.judge(self.plan, report)
        if report["gone"] or wrong:
            self._leave_out(lane, report["gone"] or wrong)
            self._drop(lane)
        elif lacks and self._files is None:  # it joined after the run had begun
            self._files = self.cluster.file_server(self.plan)
            self._drop(lane)
        else:
            lane.begun = None
            self._failures[lane.node] = 0
            self.write.activity.doing = ""
        return []

    def _take(self, lane: Lane, call: Call) -> list[Scored]:
        """One thing that a call tells: a result, its end, or that it or its lane died."""
        try:
            scored, ruined = self.ray.get(next(call.results))
        except StopIteration:
            lane.calls.remove(call)
            self.work.back([call.group])
            return []
        except self.ray.exceptions.TaskCancelledError:
            lane.calls.remove(call)
            lane.withdrawn = False
            self.work.back([call.group])
            return []
        except self.ray.exceptions.RayTaskError as error:  # it raised: no other node will help
            if isinstance(cause := getattr(error, "cause", None), FATAL):
                raise cause from error
            lane.calls.remove(call)
            return self._give_up(call.group, f"failed on the cluster ({first_line(error)})", 1, str(error))
        except self.ray.exceptions.RayError as error:
            return self._died(lane, first_line(error))
        group, record = call.group, scored.record
        model = next(m for m in group.models if self.plan.models[m].record.name == record.model)
        call.reported(model)
        if ruined:  # its process is of no use any more
            self._drop(lane)
        tried = self.work.attempts[model, record.condition, record.video] + 1
        return [scored._replace(record=msgspec.structs.replace(record, attempts=tried))]

    def _died(self, lane: Lane, reason: str) -> list[Scored]:
        """The process or node of a lane is gone; after `ATTEMPTS` times the unit that it worked on fails."""
        groups = [call.group for call in lane.calls if call.group.models]
        if not groups or not self.cluster.answers():  # the head took it along: not the fault of the unit
            self._drop(lane)
            return []
        group = groups[0]
        key = (group.models[0], group.condition.label, group.video)
        self.work.attempts[key] += 1
        self._drop(lane)
        if self.work.attempts[key] < ATTEMPTS:
            return []
        self.work.queue.remove(group)
        return self._give_up(group, f"lost {ATTEMPTS} times on the cluster ({reason})", ATTEMPTS)

    def _give_up(self, group: Group, reason: str, attempts: int, traceback: str = "") -> list[Scored]:
        """The first unit of a group fails; the others are left to do."""
        record = failed_record(self.plan, group.models[0], group, reason, 1)
        self.work.back([replace(group, models=group.models[1:])])
        return [Scored(msgspec.structs.replace(record, attempts=attempts), traceback=traceback)]

    def _drop(self, lane: Lane) -> None:
        """A lane that does no more: what it had is left to do."""
        self.lanes.remove(lane)
        self.work.back(lane.groups())
        with contextlib.suppress(self.ray.exceptions.RayError, HeadLostError):
            if self.cluster.answers():
                self.ray.kill(lane.actor)
        self._looked = -math.inf  # another one may take its place at once

    def _leave_out(self, lane: Lane, reason: str) -> None:
        self.unfit[lane.node] = reason
        node = next((n for n in self.ray.nodes() if n["NodeID"] == lane.node), {"NodeID": lane.node})
        self.write.listener.notice(f"node {name_of(node)} is left out: {reason}")

    def _close(self) -> None:
        """Let lanes stop their producers, then end them."""
        if not self.cluster.answers():
            return
        closing = [lane.actor.close.remote() for lane in self.lanes if lane.begun is None]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for lane in self.lanes:
            self.ray.kill(lane.actor)
