"""A will is published when its client is killed, and not when it says goodbye."""

import os
import signal
import subprocess
import sys

from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.packettypes import PacketTypes

from peer import IS_V5, Peer, same

if len(sys.argv) > 4:
    # The client that is killed.
    victim = Peer("victim", will=("will/victim", "killed", 1))
    print("connected", flush=True)
    signal.pause()

watcher = Peer("watcher")
watcher.subscribe("will/#", 1)

victim = subprocess.Popen([sys.executable, "-B", *sys.argv, "victim"], stdout=subprocess.PIPE)
try:
    same(victim.stdout.readline(), b"connected\n", "the victim")
    os.kill(victim.pid, signal.SIGKILL)
finally:
    victim.kill()
    victim.wait()
same(watcher.wait_for_messages(1), [("will/victim", b"killed", 1)], "the will of the killed")

polite = Peer("polite", will=("will/polite", "never", 1))
polite.leave()
if IS_V5:
    insists = Peer("insists", will=("will/insists", "anyway", 1))
    insists.client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
    same(watcher.wait_for_messages(2)[1:], [("will/insists", b"anyway", 1)], "a will on request")

last = Peer("last")
last.publish("will/end", "", 1)
watcher.wait("the end", lambda: watcher.messages[-1][0] == "will/end")
same([m for m in watcher.messages if m[0] == "will/polite"], [], "the will of the polite")
last.leave()
watcher.leave()
