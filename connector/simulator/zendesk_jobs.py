"""Zendesk's background jobs: accepted now, done later, forgotten after a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from connector.simulator.parts import Fault, Fields, Refused, Site

OPEN = frozenset({"queued", "working"})


class Jobs:
    """Jobs of one account, run `delay` after they were accepted and forgotten `memory` after that."""

    def __init__(self, *, delay: timedelta, memory: timedelta, limit: int) -> None:
        self.delay = delay
        self.memory = memory
        self.limit = limit
        self._jobs: dict[str, Fields] = {}
        self._count = 0

    def open(self) -> int:
        """Jobs queued or running."""
        return sum(1 for job in self._jobs.values() if job["status"] in OPEN)

    def accept(self, site: Site, kind: str, works: Sequence[Callable[[], Fields]], fault: Fault | None) -> Fields:
        """Queue one piece of work per record. Raises Refused when too many jobs are open."""
        if self.open() >= self.limit:
            raise Refused("too-many-jobs", headers={"Retry-After": "10"})
        self._count += 1
        key = f"job{self._count:029d}"
        job: Fields = {
            "id": key,
            "job_type": kind,
            "url": f"{site.base_url}/api/v2/job_statuses/{key}.json",
            "status": "queued",
            "total": len(works),
            "progress": 0,
            "message": None,
            "results": None,
        }
        self._jobs[key] = job
        site.later(self.delay, lambda: self._run(job, works, fault))
        site.later(self.delay + self.memory, lambda: self._jobs.pop(key, None))
        return dict(job)

    def find(self, key: str) -> Fields:
        """A job as it stands. Raises Refused once it is forgotten."""
        if key not in self._jobs:
            raise Refused("not-found", key)
        return dict(self._jobs[key])

    def forget(self) -> None:
        """Lose every job, as vendors do after a while."""
        self._jobs.clear()

    def _run(self, job: Fields, works: Sequence[Callable[[], Fields]], fault: Fault | None) -> None:
        if fault is not None and not fault.records:
            job.update(status="failed", message=fault.message or "Job failed", progress=0)
            return
        results = []
        for index, work in enumerate(works):
            if fault is not None and index in fault.records:
                results.append({"index": index, "error": fault.code or "UpdateConflict", "details": fault.message})
            else:
                results.append({"index": index, **work()})
        job.update(status="completed", progress=len(works), message="Completed", results=results)
