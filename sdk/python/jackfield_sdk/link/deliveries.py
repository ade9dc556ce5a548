"""Deliveries that run in this process, from the `delivery` frame to the confirmed `settle`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from jackfield.v1 import event_pb2, frame_pb2

from jackfield_sdk.errors import JackfieldError, LeaseLost, Unavailable, error_to_plain, error_to_proto

Send = Callable[[frame_pb2.Frame], None]


class Lease:
    """The right to handle one delivery. The fence changes when a new kernel start adopts the delivery."""

    __slots__ = ("_asking", "cancelled", "delivery", "error", "fence", "inputs", "outcome", "task")

    def __init__(self, delivery: frame_pb2.Delivery) -> None:
        self.delivery = delivery
        self.fence = delivery.fence
        self.cancelled = asyncio.Event()
        self.error: JackfieldError | None = None
        self.inputs: deque[event_pb2.Event] = deque()
        self.outcome: frame_pb2.Settle | None = None
        self.task: asyncio.Task[None] | None = None
        self._asking: asyncio.Event | None = None

    def check(self) -> None:
        """Raises the reason when the lease is gone."""
        if self.error is not None:
            raise self.error

    def lose(self, error: JackfieldError) -> None:
        """Cancels the handler."""
        if self.error is None:
            self.error = error
            self.cancelled.set()
            if self.task is not None:
                self.task.cancel()

    def add_input(self, event: event_pb2.Event) -> None:
        """Hands a further event to whoever waits for it."""
        self.inputs.append(event)
        if self._asking is not None:
            self._asking.set()

    async def next_input(self) -> event_pb2.Event:
        """The next further event, waiting for it."""
        while not self.inputs:
            self._asking = asyncio.Event()
            await self._asking.wait()
        return self.inputs.popleft()


Handle = Callable[[Lease], Awaitable[frame_pb2.Settle]]


class Deliveries:
    """Runs one task per delivery and keeps its outcome until the kernel confirmed it."""

    def __init__(self, send: Send, handle: Handle, observe: Callable[[frame_pb2.Delivery], None]) -> None:
        self._send = send
        self._handle = handle
        self._observe = observe
        self._leases: dict[int, Lease] = {}
        self._emptied = asyncio.Event()
        self._emptied.set()
        self.draining = False

    def __len__(self) -> int:
        """How many the kernel has not confirmed as over."""
        return len(self._leases)

    def deliver(self, delivery: frame_pb2.Delivery) -> None:
        """A new delivery from the kernel."""
        if delivery.observer:
            self._observe(delivery)
            return
        lease = Lease(delivery)
        self._leases[lease.fence] = lease
        self._emptied.clear()
        if self.draining:
            self._settle(lease, released("draining"))
            return
        lease.task = asyncio.get_running_loop().create_task(self._run(lease))

    def running(self) -> list[frame_pb2.Running]:
        """What `attach` states: everything that is not confirmed, settled here or not."""
        return [
            frame_pb2.Running(delivery_id=lease.delivery.delivery_id, fence=fence)
            for fence, lease in self._leases.items()
        ]

    def fences(self) -> list[int]:
        """Fences of deliveries that make progress."""
        return [fence for fence, lease in self._leases.items() if lease.outcome is None]

    def attached(self, attached: frame_pb2.Attached) -> None:
        """Goes on under the new fences; whatever was not kept is cancelled, or was committed already."""
        kept = {entry.old_fence: entry.new_fence for entry in attached.kept}
        leases, self._leases = self._leases, {}
        for fence, lease in leases.items():
            if fence in kept:
                lease.fence = kept[fence]
                self._leases[lease.fence] = lease
                if lease.outcome is not None:
                    self._settle(lease, lease.outcome)
            elif lease.outcome is None:
                lease.lose(LeaseLost("the kernel gave this delivery to somebody else meanwhile"))
        self._note_empty()

    def settled(self, settled: frame_pb2.Settled) -> None:
        """Forgets what is committed; a refusal that leaves the lease is answered with a nack."""
        for fence in settled.fences:
            self._leases.pop(fence, None)
        for refusal in settled.refused:
            lease = self._leases.get(refusal.fence)
            if lease is None:
                continue
            if refusal.error.reason == "LEASE_LOST" or (
                lease.outcome is not None and lease.outcome.HasField("nack")
            ):
                self._leases.pop(refusal.fence)
            else:
                # A failed compare-and-set is worth another attempt with fresh reads.
                refusal.error.retryable = refusal.error.retryable or refusal.error.reason == "CONFLICT"
                self._settle(lease, frame_pb2.Settle(nack=frame_pb2.Nack(error=refusal.error)))
        self._note_empty()

    def cancel(self, cancel: frame_pb2.Cancel) -> None:
        """The kernel takes a delivery back. With `confirm` it waits for a settle, else the fence is void."""
        lease = self._leases.get(cancel.fence) if cancel.confirm else self._leases.pop(cancel.fence, None)
        if lease is not None:
            lease.lose(error_to_plain(cancel.error))
        self._note_empty()

    def input(self, frame: frame_pb2.Input) -> None:
        """A further event of a running delivery. For one that ended it is delivered on its own, by the
        kernel."""
        lease = self._leases.get(frame.fence)
        if lease is not None and lease.outcome is None:
            lease.add_input(frame.event)

    async def drain(self, seconds: float) -> None:
        """Lets running deliveries finish, releases the others, waits until the kernel confirmed all."""
        self.draining = True
        tasks = [lease.task for lease in self._leases.values() if lease.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for lease in list(self._leases.values()):
            if lease.task is not None and not lease.task.done():
                lease.lose(Unavailable("draining"))
        if tasks:
            await asyncio.wait(tasks)

    async def emptied(self) -> None:
        """Waits until no settle is unconfirmed."""
        await self._emptied.wait()

    async def _run(self, lease: Lease) -> None:
        # Stands when the handler ends by something that is no Exception, such as SystemExit.
        outcome = frame_pb2.Settle(nack=frame_pb2.Nack(error=error_to_proto(_ended())))
        try:
            outcome = await self._handle(lease)
        except asyncio.CancelledError:
            # Cancelled by the kernel or by draining: given back. Where the fence is void nothing is sent.
            outcome = released(lease.error.message if lease.error is not None else "cancelled")
        finally:
            self._settle(lease, outcome)

    def _settle(self, lease: Lease, outcome: frame_pb2.Settle) -> None:
        lease.outcome = outcome
        if lease.fence not in self._leases:
            return
        outcome.fence = lease.fence
        frame = frame_pb2.Frame(settle=outcome)
        try:
            self._send(frame)
        except JackfieldError as error:
            nack = frame_pb2.Nack(error=error_to_proto(error))
            lease.outcome = frame_pb2.Settle(fence=lease.fence, nack=nack)
            self._send(frame_pb2.Frame(settle=lease.outcome))

    def _note_empty(self) -> None:
        if not self._leases:
            self._emptied.set()


def released(reason: str) -> frame_pb2.Settle:
    """A delivery given back untouched."""
    return frame_pb2.Settle(release=frame_pb2.Release(reason=reason))


def _ended() -> JackfieldError:
    return JackfieldError("the handler ended the process", reason="HANDLER_FAILED")
