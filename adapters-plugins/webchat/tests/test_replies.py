"""What handlers may do with a conversation: stream, edit, delete, react, ask."""

from __future__ import annotations

import pytest
from jackfield.v1 import adapter_message_pb2 as pb
from jackfield_sdk import (
    Actions,
    Button,
    Chat,
    Image,
    InteractionReceived,
    InvalidArgument,
    Location,
    Media,
    Message,
    NotFound,
    NotSupported,
    Target,
)
from jackfield_sdk.testing import FakeKernel
from jackfield_sdk.testing.fake_calls import KernelCall

ANNA = Chat.private("anna")
STREAM = "/jackfield.v1.Adapter/StreamReply"


def opening(chat, key: str, text: str) -> KernelCall:
    request = pb.StreamReplyRequest(text=text)
    request.opening.SetInParent()
    return chat.kernel.open_call(
        STREAM, request, target=Target(bot="web", chat=ANNA), key=key, half_closed=False
    )


async def step(call: KernelCall, text: str, *, final: bool = False) -> None:
    await call.send(pb.StreamReplyRequest(text=text, is_final=final).SerializeToString())
    if final:
        call.half_close()


async def test_a_streamed_reply_keeps_one_id_until_it_is_final(chat) -> None:
    anna = await chat.greeted()
    call = opening(chat, "s1", "one")
    first = await anna.until("response")
    await step(call, "one two")
    second = await anna.until("response")
    await step(call, "one two three", final=True)
    third = await anna.until("response")
    frames = [first["data"], second["data"], third["data"]]
    assert [frame["content"] for frame in frames] == ["one", "one two", "one two three"]
    assert [frame["is_final"] for frame in frames] == [False, False, True]
    assert len({frame["id"] for frame in frames}) == 1
    answer = pb.StreamReplyResponse.FromString(await call.result())
    assert answer.result.message_id == frames[0]["id"]


async def test_who_wants_no_stream_sees_only_the_end(chat) -> None:
    anna, berta = await chat.greeted(), await chat.greeted()
    await anna.send(type="message", id="c1", stream=False, message=[{"type": "Plain", "text": "hi"}])
    await anna.until("ack")
    call = opening(chat, "s1", "one")
    assert not (await berta.until("response"))["data"]["is_final"]
    await step(call, "one two", final=True)
    assert (await anna.until("response"))["data"]["content"] == "one two"
    await call.result()


async def test_a_stream_that_breaks_settles_and_the_same_call_goes_on_with_its_message(start) -> None:
    async with FakeKernel() as kernel:
        chat = await start(kernel=kernel)
        anna = await chat.greeted()
        call = opening(chat, "s1", "one")
        begun = await anna.until("response")
        call.cancel()
        assert (await anna.until("response"))["data"]["is_final"]
        chat.running.runtime.finish()
        await chat.running.finished()
        chat = await start(kernel=kernel)
        anna = await chat.greeted()
        again = opening(chat, "s1", "one")
        await step(again, "one two", final=True)
        await again.result()
        seen = [await anna.until("response"), await anna.until("response")]
        assert {frame["data"]["id"] for frame in seen} == {begun["data"]["id"]}
        assert seen[-1]["data"]["content"] == "one two"


async def test_a_repeated_key_sends_once(chat) -> None:
    anna = await chat.greeted()
    results = [
        await chat.kernel.call("web", "SendMessage", chat=ANNA, message=Message("hi"), key="same")
        for _ in range(2)
    ]
    assert results[0].message_id == results[1].message_id
    await anna.send(type="resume", last_seen=0)
    await anna.until("response")
    assert (await anna.next())["type"] == "response", "the same message again, by resume"
    assert await anna.next() == {"type": "resumed", "count": 1}


async def test_a_message_is_edited_reacted_to_and_deleted(chat) -> None:
    anna = await chat.greeted()
    kernel = chat.kernel
    sent = await kernel.call("web", "SendMessage", chat=ANNA, message=Message("teh"))
    await anna.until("response")
    await kernel.call("web", "EditMessage", chat=ANNA, message_id=sent.message_id, message=Message("the"))
    edited = await anna.until("response")
    assert (edited["data"]["id"], edited["data"]["content"]) == (sent.message_id, "the")
    await kernel.call("web", "AddReaction", chat=ANNA, message_id=sent.message_id, reaction="👍")
    assert (await anna.until("response"))["data"]["reactions"] == ["👍"]
    await kernel.call("web", "RemoveReaction", chat=ANNA, message_id=sent.message_id, reaction="👍")
    assert (await anna.until("response"))["data"]["reactions"] == []
    event = await kernel.call("web", "GetMessage", chat=ANNA, message_id=sent.message_id)
    assert event.text == "the"
    await kernel.call("web", "DeleteMessage", chat=ANNA, message_id=sent.message_id)
    assert (await anna.until("deleted"))["data"]["id"] == sent.message_id
    with pytest.raises(NotFound):
        await kernel.call("web", "GetMessage", chat=ANNA, message_id=sent.message_id)


async def test_what_cannot_be_done_is_said(chat) -> None:
    anna = await chat.greeted()
    await anna.say("mine")
    mine = (await anna.until("ack"))["message_id"]
    with pytest.raises(InvalidArgument, match="own"):
        await chat.kernel.call("web", "DeleteMessage", chat=ANNA, message_id=mine)
    with pytest.raises(NotFound, match="no browser"):
        await chat.kernel.call("web", "SendMessage", chat=Chat.private("ana"), message=Message("hi"))
    with pytest.raises(NotSupported):
        await chat.kernel.call("web", "KickMember", chat=Chat.group("x"), user_id="y")
    capabilities = await chat.kernel.call("web", "GetCapabilities")
    assert capabilities.streams
    assert "kick_member" not in capabilities.apis


async def test_a_pressed_button_becomes_an_interaction(chat) -> None:
    anna = await chat.greeted()
    buttons = Actions(id="ask", controls=(Button("yes", "Yes", value="1"), Button("no", "No")))
    sent = await chat.kernel.call("web", "SendMessage", chat=ANNA, message=Message("Sure?", buttons))
    shown = (await anna.until("response"))["data"]["message_chain"][1]
    assert [control["label"] for control in shown["controls"]] == ["Yes", "No"]
    press = {"action_id": "yes", "controls_id": "ask", "value": "1", "message_id": sent.message_id}
    await anna.send(type="interaction", id="p1", **press)
    assert (await anna.until("ack"))["id"] == "p1"
    (published,) = chat.kernel.published
    payload = published.event.payload
    assert published.event.type == "interaction.received"
    assert isinstance(payload, InteractionReceived)
    assert (payload.action_id, payload.controls_id, payload.values) == ("yes", "ask", {"value": "1"})
    await chat.kernel.call(
        "web",
        "AnswerInteraction",
        chat=ANNA,
        interaction_id=payload.id,
        message=Message("Done."),
        replace_origin=True,
    )
    replaced = await anna.until("response")
    assert (replaced["data"]["id"], replaced["data"]["content"]) == (sent.message_id, "Done.")
    await anna.send(type="interaction", id="p2", action_id="yes", message_id="elsewhere")
    assert (await anna.until("error"))["code"] == "NOT_FOUND"


async def test_media_and_fallbacks_are_shown_and_reported(chat) -> None:
    anna = await chat.greeted()
    blob = await chat.running.runtime.context.put_blob(b"\x89PNG\r\n\x1a\n...", name="x.png")
    message = Message("look", Image(Media(blob_id=blob.blob_id, name="x.png")), Location(1, 2, "Here"))
    result = await chat.kernel.call("web", "SendMessage", chat=ANNA, message=message)
    assert result.degraded == ("location",)
    chain = (await anna.until("response"))["data"]["message_chain"]
    key = chain[1]["key"]
    async with chat.client.get(f"{chat.url}media/{key}") as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert await answer.read() == b"\x89PNG\r\n\x1a\n..."
    await chat.greeted("berta")
    async with chat.client.get(f"{chat.url}media/{key}", headers={"X-Session": "person:berta"}) as answer:
        assert answer.status == 404


async def test_an_upload_comes_with_a_message_and_its_bytes_on_demand(chat) -> None:
    anna = await chat.greeted()
    data = b"%PDF-1.7 " + bytes(100_000)
    async with chat.client.post(
        f"{chat.url}upload", data=data, headers={"X-File-Name": "a%2Fb.pdf"}
    ) as answer:
        uploaded = await answer.json()
    assert (uploaded["type"], uploaded["mime"], uploaded["name"]) == ("File", "application/pdf", "a_b.pdf")
    await anna.send(type="message", id="u1", message=[{"type": "File", "key": uploaded["key"]}])
    await anna.until("ack")
    (file,) = chat.kernel.published[0].event.message.segments
    assert (file.media.platform_id, file.media.size) == (uploaded["key"], len(data))
    call = chat.kernel.open_call(
        "/jackfield.v1.Adapter/FetchMedia",
        pb.FetchMediaRequest(platform_id=uploaded["key"]),
        target=Target(bot="web"),
        server_streaming=True,
    )
    read = b""
    while (body := await call.read()) is not None:
        read += pb.FetchMediaResponse.FromString(body).data
    assert read == data
    berta = await chat.greeted("berta")
    await berta.send(type="message", id="u2", message=[{"type": "File", "key": uploaded["key"]}])
    assert (await berta.until("error"))["code"] == "INVALID_ARGUMENT"
