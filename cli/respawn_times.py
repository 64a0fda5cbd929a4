"""When granian may end the whole server because a worker has ended."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.server import DrainingServer


class RespawnTimes(dict[int, float]):
    """The times at which granian last replaced each worker; takes the place of
    ``Server.respawned_wrks``.

    granian reads the time here when a worker dies. If that was within 5.5 s of its start, granian
    assumes a crash at start and ends the whole server. Here that applies only to a worker that
    failed to start while no other one serves: a worker that had come up, or was killed, is
    replaced, and a damaged database must not end the workers that still serve from memory.
    """

    def __init__(self, server: "DrainingServer") -> None:
        super().__init__()
        self._server = server

    def get(self, index: int, default: Any = 0) -> Any:
        """When the worker was replaced; 0 (long ago) where the server must keep running."""
        if self._server.stopping:
            return default
        workers = self._server.wrks
        others_serve = any(worker.is_alive() and self._server.came_up(worker) for worker in workers)
        if others_serve or not self._server.failed_to_start(workers[index]):
            return default
        return super().get(index, default)
