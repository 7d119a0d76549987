"""One paho client, told what to do by one JSON object a line (see order in driver_test.go)."""

import json
import queue
import sys
import threading
import urllib.parse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 20
messages = queue.Queue()
answers = queue.Queue()
client = None


def connect(o):
    global client
    url = urllib.parse.urlparse(o["url"])
    five = o["version"] == 5
    web = url.scheme in ("ws", "wss")
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=o["id"],
        clean_session=None if five else o["clean"],
        protocol=mqtt.MQTTv5 if five else mqtt.MQTTv311,
        transport="websockets" if web else "tcp",
        reconnect_on_failure=False,
    )
    if web:
        client.ws_set_options(path=url.path or "/")
    if url.scheme in ("mqtts", "wss"):
        client.tls_set(ca_certs=o["ca"])
    client.username_pw_set(o["user"], o["password"])
    if o.get("will"):
        client.will_set(o["will"], o.get("payload", ""), o["qos"], o["retain"])
    client.on_connect = lambda c, u, flags, reason, p: answers.put(
        {"error": str(reason)} if reason.is_failure else {"ok": True, "present": flags.session_present}
    )
    client.on_message = lambda c, u, m: messages.put(m)
    client.on_subscribe = lambda c, u, mid, reasons, p: answers.put({"ok": True, "granted": reasons[0].value})
    more = {}
    if five:
        more["clean_start"] = o["clean"]
        if not o["clean"]:
            more["properties"] = Properties(PacketTypes.CONNECT)
            more["properties"].SessionExpiryInterval = 300
    client.connect(url.hostname, url.port, 60, **more)
    client.loop_start()
    return answers.get(timeout=PATIENCE)


def subscribe(o):
    client.subscribe(o["filter"], o["qos"])
    return answers.get(timeout=PATIENCE)


def publish(o):
    properties = None
    if client.protocol == mqtt.MQTTv5:
        properties = Properties(PacketTypes.PUBLISH)
        if o.get("answer"):
            properties.ResponseTopic = o["answer"]
        if o.get("of"):
            properties.CorrelationData = o["of"].encode()
    info = client.publish(o["topic"], o.get("payload", ""), o["qos"], o["retain"], properties)
    info.wait_for_publish(PATIENCE)
    return {"ok": True} if info.is_published() else {"error": "not acknowledged"}


def receive(o):
    try:
        m = messages.get(timeout=o["patient_ms"] / 1000)
    except queue.Empty:
        return {"ok": True, "none": True}
    p = m.properties
    return {
        "ok": True, "topic": m.topic, "payload": m.payload.decode(), "qos": m.qos, "retain": bool(m.retain),
        "answer": getattr(p, "ResponseTopic", ""), "of": getattr(p, "CorrelationData", b"").decode(),
    }


def disconnect(o):
    gone = threading.Event()
    client.on_disconnect = lambda *a: gone.set()
    client.disconnect()
    ok = gone.wait(PATIENCE)
    client.loop_stop()
    return {"ok": ok}


orders = {"connect": connect, "subscribe": subscribe, "publish": publish, "next": receive, "disconnect": disconnect}
for line in sys.stdin:
    o = json.loads(line)
    try:
        r = orders[o["op"]](o)
    except Exception as e:  # told to whoever asked
        r = {"error": repr(e)}
    print(json.dumps(r), flush=True)
