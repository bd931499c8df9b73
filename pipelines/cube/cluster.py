"""Units on a Dask cluster: processes of this machine, or any cluster that already runs, by its address.

There is no graph over the region: each unit is one task of its own, sent when there is room for it. Workers write to
forks of the draft's session and hand them back to the one committer.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import queue
import tempfile
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import dask
from distributed import Client, LocalCluster, WorkerPlugin, get_worker
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from pipelines.cube.crew import CrewShape
from pipelines.cube.errors import CubeError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType

    from distributed import Future

_Work = TypeVar("_Work")
_Answer = TypeVar("_Answer")

CONNECT_SECONDS: Final = 30
"""How long a cluster may take to answer and to show its first worker, and be without any later."""

_CHECK_SECONDS: Final = 5
"""How often a cluster that gives no answer is asked whether it has workers."""


class ClusterCrew:
    """Workers of a Dask cluster."""

    shares_memory = False

    def __init__(self, *, num_processes: int, address: str | None = None) -> None:
        """Describes a crew; entering it starts or finds the workers.

        Args:
            num_processes: Processes to start where no address is given, one thread each.
            address: `tcp://host:port` or `tls://host:port` of a scheduler, None to start processes here.
        """
        self._num_processes = num_processes
        self._address = address
        self._slots: str | None = None
        self._window = 0
        self._cluster: LocalCluster | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._client: Client | None = None

    def __enter__(self) -> Self:
        try:
            self._connect()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, cluster, self._client, self._cluster = self._client, self._cluster, None, None
        if client is not None:
            if self._slots is not None and cluster is None:
                with contextlib.suppress(OSError):  # the cluster has gone, and the plugin with it
                    client.unregister_worker_plugin(self._slots)  # type: ignore[no-untyped-call]
            client.close()  # type: ignore[no-untyped-call]
        if cluster is not None:
            cluster.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    @property
    def shape(self) -> CrewShape:
        """Workers as they are now."""
        workers = list(self._connected.scheduler_info(n_workers=-1)["workers"].values())
        limits = [worker["memory_limit"] for worker in workers]
        return CrewShape(
            num_processes=len(workers),
            threads_each=max(worker["nthreads"] for worker in workers),
            memory_each=min(limits) if self._address and all(limits) else None,
            on_this_machine=self._address is None,
        )

    def limit(self, slots_each: int) -> None:
        """Lets so many units be under way on each worker, however many threads it has."""
        shape = self.shape
        self._window = 2 * shape.num_processes * min(slots_each, shape.threads_each)
        if slots_each < shape.threads_each:
            self._slots = f"ringmoe-unit-slots-{uuid.uuid4().hex[:8]}"
            self._connected.register_plugin(_UnitSlots(slots_each), name=self._slots)

    def pause(self, seconds: float) -> None:
        """Waits here, while the committer itself reads; the workers wait by themselves."""
        time.sleep(seconds)

    def run(self, call: Callable[[_Work], _Answer], works: Iterable[_Work]) -> Generator[_Answer]:
        """Yields the answers as they come; at most twice as many tasks as there are slots are with the cluster.

        Raises:
            CubeError: The cluster went away, or gave up a task.
        """
        left = iter(works)
        under_way: set[Future[Any]] = set()
        finished: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()

        def send(number: int) -> None:
            for work in itertools.islice(left, number):
                future = self._connected.submit(_call, call, work, self._slots, pure=False)
                under_way.add(future)
                future.add_done_callback(finished.put)  # type: ignore[no-untyped-call]

        try:
            send(self._window)
            while under_way:
                future = self._patiently(lambda: finished.get(timeout=_CHECK_SECONDS))
                under_way.discard(future)
                answer: _Answer = self._answer(future)
                send(1)
                yield answer
        finally:
            if under_way:
                with contextlib.suppress(OSError):  # nothing is left to cancel where the cluster has gone
                    self._connected.cancel(list(under_way), force=True)  # type: ignore[no-untyped-call]

    def _answer(self, future: Future[_Answer]) -> _Answer:
        """Returns what a task that ended gives, or raises what it raised."""
        if future.status != "error":
            return self._patiently(functools.partial(future.result, _CHECK_SECONDS))
        error = future.exception()  # type: ignore[no-untyped-call]
        assert error is not None
        raise self._gone(error) if isinstance(error, KilledWorker) else error

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Returns the answer of a call that waits for a while; raises where nobody is left to give one."""
        alone_since: float | None = None
        while True:
            try:
                return ask()
            except (queue.Empty, TimeoutError):
                alone_since = self._alone_since(alone_since)
            except (FutureCancelledError, OSError) as error:
                raise self._gone(error) from error

    def _alone_since(self, before: float | None) -> float | None:
        """Returns since when there is no worker, None while there is one; raises where that is too long ago."""
        try:
            if self._connected.scheduler_info(n_workers=-1)["workers"]:
                return None
        except OSError as error:
            raise self._gone(error) from error
        since = before or time.monotonic()
        if time.monotonic() - since >= CONNECT_SECONDS:
            raise self._gone(f"no worker is left for {CONNECT_SECONDS} s")
        return since

    def _gone(self, cause: object) -> CubeError:
        return CubeError(
            f"a cluster stays until a build is done, {self._name} lost or cancelled a unit ({cause}); look at its "
            "workers and run again, the cube holds whole dates only and goes on from the last",
        )

    @property
    def _connected(self) -> Client:
        assert self._client is not None, "a crew is entered before it works"
        return self._client

    @property
    def _name(self) -> str:
        return self._address or f"the cluster of {self._num_processes} processes"

    def _connect(self) -> None:
        if self._address is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="ringmoe-cluster-", ignore_cleanup_errors=True)
            with dask.config.set({"temporary-directory": self._scratch.name}):
                self._cluster = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=self._num_processes,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=0,
                    silence_logs=logging.ERROR,  # a build that is given up would tell of every unit it cancels
                )
        try:
            self._client = Client(  # type: ignore[no-untyped-call]
                self._cluster or self._address, timeout=CONNECT_SECONDS, set_as_default=False
            )
            self._client.wait_for_workers(self._num_processes if self._cluster else 1, timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:
            raise CubeError(
                f"cube.cluster names a scheduler that has a worker, {self._name} did not answer within "
                f"{CONNECT_SECONDS} s ({error}); start it, or take `threads`",
            ) from error
        try:
            self._client.submit(_call, str, "", None, pure=False).result(CONNECT_SECONDS)
        except (ImportError, RuntimeError, TimeoutError) as error:
            raise CubeError(
                f"workers of a cluster have this program installed, those of {self._name} cannot carry out its work "
                f"({error}); install the same version there",
            ) from error


class _UnitSlots(WorkerPlugin):
    """Lets so many units be under way on a worker."""

    def __init__(self, slots: int) -> None:
        self._number = slots
        self.free = threading.BoundedSemaphore(slots)

    def __reduce__(self) -> tuple[type[_UnitSlots], tuple[int]]:
        return _UnitSlots, (self._number,)


def _call(call: Callable[[_Work], _Answer], work: _Work, slots: str | None) -> _Answer:
    """Carries out one piece of work on a worker, in one of its slots."""
    if slots is None:
        return call(work)
    plugin = get_worker().plugins[slots]
    assert isinstance(plugin, _UnitSlots), plugin
    with plugin.free:
        return call(work)
