"""More than one machine: the same groups on the lanes of a Ray cluster, which may lose nodes and its head.

The driver is the only writer: it appends every record to the run directory as it arrives, so that resume, leaderboards
and reports see no difference to a local run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from robust_vos_bench.runs.plan import Group, Plan
from robust_vos_bench.runs.ray.cluster import REJOIN_SECONDS, Cluster, HeadLostError
from robust_vos_bench.runs.ray.fleet import Fleet, Work
from robust_vos_bench.runs.writer import RecordWriter


class RayEngine:
    """Carries out groups on a Ray cluster.

    address, gpus, producers, ship, device: of `Cluster`. wait: seconds to wait for a head, or a last node, that is
    gone. Close it when done.
    """

    def __init__(
        self,
        address: str | None = None,
        gpus: float | None = None,
        producers: int | None = None,
        ship: str = "auto",
        wait: float = REJOIN_SECONDS,
        device: str = "auto",
    ) -> None:
        self.cluster = Cluster(address, gpus, producers, ship, device)
        self.wait = wait

    def ready(self) -> None:
        """Join the cluster, or start one; nodes are asked when the plan is known. Raises as `Cluster.join` does."""
        self.cluster.join()

    def __call__(self, plan: Plan, groups: Sequence[Group], write: RecordWriter) -> None:
        """Run `groups` wherever there is room.

        Raises DataError where a node cannot be used, UsageError where none has what a task needs, ClusterLostError
        where the cluster is gone and does not come back.
        """
        work = Work(deque(groups))
        while True:
            write.activity.doing = "starting workers on the cluster"
            try:
                Fleet(self.cluster, plan, work, write, self.wait).run()
                return
            except HeadLostError:
                write.activity.doing = "waiting for the cluster"
                write.listener.notice(
                    f"the connection to the Ray cluster is lost; joining it again within {self.wait:g} s, if it comes "
                    "back. Finished units are kept"
                )
                if not self.cluster.rejoin(self.wait, lambda: write.stop.asked):
                    return

    def close(self) -> None:
        """Leave the cluster, if this engine joined it."""
        self.cluster.leave()
