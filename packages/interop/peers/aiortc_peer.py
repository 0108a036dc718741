"""aiortc as a peer of a test. A command is a line of JSON on stdin, its answer a line on stdout: see w3c-peer.mjs."""
import asyncio
import json
import os
import sys
import time

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError


class Peer:
    pc = None
    channel = None
    returns = False
    echoes: list = []
    events: list = []

    async def create(self, iceServers=(), relayOnly=False, channel=False):
        if relayOnly:
            raise NotImplementedError("aiortc has no transport policy")
        if self.pc:
            await self.pc.close()
        self.echoes, self.events, self.channel = [], [], None
        servers = [RTCIceServer(**server) for server in iceServers]
        self.pc = RTCPeerConnection(RTCConfiguration(servers))
        pc = self.pc
        pc.on("connectionstatechange", lambda: self.note(f"connection {pc.connectionState}"))
        pc.on("track", self.receive)
        self.pc.on("datachannel", lambda made: self.watch(made, True))
        if channel:
            self.watch(self.pc.createDataChannel("test"), False)

    async def offer(self, iceRestart=False):
        if iceRestart:
            raise NotImplementedError("aiortc has no ICE restart")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return {"sdp": self.pc.localDescription.sdp}

    async def answer(self, sdp):
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return {"sdp": self.pc.localDescription.sdp}

    async def accept(self, sdp):
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))

    async def echo(self, count):
        await until(lambda: self.channel is not None and self.channel.readyState == "open")
        self.echoes = []
        sent = [f"{index} {'x' * (index * 50)}" for index in range(count)]
        for text in sent:
            self.channel.send(text)
        await until(lambda: len(self.echoes) == count)
        return {"same": self.echoes == sent}

    async def noticed(self):
        return {"events": self.events}

    async def state(self):
        return {"connection": self.pc.connectionState, "ice": self.pc.iceConnectionState}

    async def close(self):
        await self.pc.close()

    def receive(self, track):
        track.on("ended", lambda: self.note("track ended"))
        asyncio.ensure_future(drain(track))

    def note(self, name):
        self.events.append({"name": name, "at": time.time() * 1000})

    def watch(self, made, returns):
        self.channel = made
        made.on("close", lambda: self.note("channel close"))
        made.on("message", lambda data: made.send(data) if returns else self.echoes.append(data))


async def drain(track):
    """A track ends when somebody asks for what follows its last frame."""
    try:
        while True:
            await track.recv()
    except MediaStreamError:
        pass


async def until(condition):
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("waited in vain")


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main():
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peer = Peer()
    say({"ready": True})
    while line := await reader.readline():
        message = json.loads(line)
        number, command = message.pop("id"), message.pop("command")
        try:
            say({"id": number, **(await getattr(peer, command)(**message) or {})})
        except Exception as error:
            say({"id": number, "error": f"{type(error).__name__}: {error}"})
    os._exit(0)


asyncio.run(main())
