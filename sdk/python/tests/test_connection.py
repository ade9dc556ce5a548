"""What happens when the connection breaks, the kernel restarts, or somebody says goodbye."""

import asyncio

import pytest
from jackfield.v1 import adapter_message_pb2 as pb
from jackfield.v1 import frame_pb2
from jackfield_sdk import Context, Event, FrameTooLarge, Plugin
from jackfield_sdk.link.bootstrap import NotStartedByKernel, read_bootstrap
from jackfield_sdk.testing import FakeKernel, message


class Gate:
    """A handler that waits in the middle until the test lets it go."""

    def __init__(self) -> None:
        self.plugin = Plugin("gated")
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.cancelled = 0
        self.plugin.on("*")(self.handle)

    async def handle(self, ctx: Context, event: Event) -> None:
        self.entered.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await ctx.reply(event.text)


async def test_a_delivery_goes_on_over_a_lost_stream_under_a_new_fence() -> None:
    gate = Gate()
    async with FakeKernel() as kernel, kernel.running(gate.plugin) as running:
        delivered = await kernel.deliver(message("hi"))
        await gate.entered.wait()
        old = delivered.proto.fence
        kernel.drop()
        await running.attached_again(2)
        assert old not in running.session.leased
        gate.open.set()
        assert (await delivered.outcome).done
        assert [sent.text for sent in delivered.replies] == ["hi"]


async def test_a_delivery_goes_on_over_a_kernel_restart() -> None:
    gate = Gate()
    async with FakeKernel() as kernel, kernel.running(gate.plugin) as running:
        delivered = await kernel.deliver(message("hi"))
        await gate.entered.wait()
        await kernel.restart()
        await running.attached_again(2)
        gate.open.set()
        assert (await delivered.outcome).done
        assert running.runtime.link.boot == 2


async def test_a_delivery_that_was_not_kept_is_cancelled() -> None:
    gate = Gate()
    async with FakeKernel() as kernel, kernel.running(gate.plugin) as running:
        kernel.adopts = False
        await kernel.deliver(message("hi"))
        await gate.entered.wait()
        kernel.drop()
        await running.attached_again(2)
        await asyncio.wait_for(_until(lambda: gate.cancelled == 1), 5)


async def _until(holds: object) -> None:
    while not holds():  # type: ignore[operator]
        await asyncio.sleep(0)


async def test_a_goaway_lets_running_work_finish_and_ends_in_order() -> None:
    gate = Gate()
    async with FakeKernel() as kernel, kernel.running(gate.plugin) as running:
        delivered = await kernel.deliver(message("hi"))
        await gate.entered.wait()
        kernel.goaway()
        gate.open.set()
        assert (await delivered.outcome).done
        assert await running.finished() == 0


async def test_what_does_not_finish_in_time_is_given_back() -> None:
    gate = Gate()
    async with FakeKernel() as kernel, kernel.running(gate.plugin) as running:
        delivered = await kernel.deliver(message("hi"))
        await gate.entered.wait()
        kernel.goaway(deadline=0.05)
        assert (await delivered.outcome).released
        assert await running.finished() == 0


async def test_a_process_that_is_asked_to_end_tells_the_kernel_and_drains() -> None:
    gate = Gate()
    async with FakeKernel() as kernel, kernel.running(gate.plugin) as running:
        await kernel.deliver(message("hi"))
        await gate.entered.wait()
        running.runtime.finish()
        await running.session.goaway.wait()
        gate.open.set()
        assert await running.finished() == 0


@pytest.mark.slow
async def test_a_plugin_whose_kernel_does_not_return_ends_by_itself() -> None:
    async with FakeKernel() as kernel:
        async with kernel.running(Gate().plugin, orphan_timeout=0.2) as running:
            await kernel.stop()
            assert await asyncio.wait_for(running.finished(), 10) == 0


async def test_a_wrong_secret_ends_the_process_with_a_failure() -> None:
    async with FakeKernel() as kernel:
        async with kernel.running(Gate().plugin, wait_ready=False) as running:
            running.session.secret = "other"
            assert await running.finished() == 1


async def test_an_unknown_frame_is_answered_and_nothing_else_happens() -> None:
    gate = Gate()
    gate.open.set()
    async with FakeKernel() as kernel, kernel.running(gate.plugin) as running:
        running.session.send(frame_pb2.Frame.FromString(b"\xfa\x3f\x03abc"))
        delivered = await kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert [fault.reason for fault in running.session.faults] == ["UNSUPPORTED_FRAME"]


async def test_heartbeats_name_what_runs() -> None:
    gate = Gate()
    async with FakeKernel() as kernel:
        kernel.heartbeat = 0.02
        async with kernel.running(gate.plugin) as running:
            delivered = await kernel.deliver(message("hi"))
            await gate.entered.wait()
            await asyncio.wait_for(
                _until(lambda: any(delivered.proto.fence in p.running for p in running.session.pings)), 5
            )
            gate.open.set()
            await delivered.outcome


async def test_a_frame_that_is_too_large_is_refused_before_it_is_sent() -> None:
    plugin = Plugin("large")
    seen: list[str] = []

    @plugin.on("*")
    async def handle(ctx: Context, event: Event) -> None:
        try:
            await ctx.reply("x" * 600_000)
        except FrameTooLarge as error:
            seen.append(type(error).__name__)
        await ctx.reply("small")

    async with FakeKernel() as kernel, kernel.running(plugin):
        delivered = await kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert seen == ["FrameTooLarge"]
        assert [sent.text for sent in delivered.replies] == ["small"]


async def test_a_call_in_flight_over_a_lost_stream_is_asked_again_under_its_key() -> None:
    plugin = Plugin("caller")
    asked: list[str] = []
    hold = asyncio.Event()

    @plugin.on("*")
    async def handle(ctx: Context, event: Event) -> None:
        await ctx.reply("once")

    async with FakeKernel() as kernel, kernel.running(plugin) as running:

        async def slowly(request: pb.ReplyMessageRequest) -> pb.ReplyMessageResponse:
            asked.append(request.reference.message_id)
            if len(asked) == 1:
                await hold.wait()
            return pb.ReplyMessageResponse()

        kernel.answer("/jackfield.v1.Adapter/ReplyMessage", pb.ReplyMessageRequest, slowly)
        delivered = await kernel.deliver(message("hi"))
        await asyncio.wait_for(_until(lambda: len(asked) == 1), 5)
        kernel.drop()
        await running.attached_again(2)
        assert (await delivered.outcome).done
        hold.set()
        assert len(asked) == 2


def test_a_plugin_started_by_hand_is_told_what_to_do(tmp_path: object) -> None:
    with pytest.raises(NotStartedByKernel, match="started by the kernel"):
        read_bootstrap("")
    with pytest.raises(NotStartedByKernel, match="gone"):
        read_bootstrap(f"{tmp_path}/none")
