"""The echo handler answers with what it got."""

from jackfield_example_echo import plugin
from jackfield_sdk.testing import FakeKernel, message


async def test_echo() -> None:
    async with FakeKernel() as kernel, kernel.running(plugin):
        delivered = await kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert delivered.replies[0].text == "hi"
