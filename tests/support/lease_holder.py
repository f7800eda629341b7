"""A program that acts while it holds the Lease: kubeconfig, namespace, name, seconds."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time

from varflow_operator.cluster import Cluster
from varflow_operator.leadership import Leadership

ACT_SECONDS = 0.02


def say(**words: object) -> None:
    sys.stdout.write(json.dumps({**words, "at": time.monotonic()}) + "\n")
    sys.stdout.flush()


async def hold(kubeconfig: str, namespace: str, name: str, seconds: int) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with Cluster.connect(kubeconfig=kubeconfig) as cluster:
        lead = Leadership(cluster, namespace=namespace, pod_name=name, seconds=seconds)
        say(waits=True)
        async with lead.hold():
            say(epoch=lead.epoch)
            while not stopping.is_set():
                if lead.is_held:
                    say(acts=True)
                await asyncio.sleep(ACT_SECONDS)
        say(released=True)


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
