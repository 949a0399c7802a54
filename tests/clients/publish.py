"""Publishes one value with paho-mqtt in each MQTT version and QoS, and waits until each is acknowledged.

Usage: publish.py HOST PORT PREFIX [tcp|websockets [CA]]
"""

import sys

import paho.mqtt.client as mqtt

host, port, prefix = sys.argv[1], int(sys.argv[2]), sys.argv[3]
transport = sys.argv[4] if len(sys.argv) > 4 else "tcp"
ca = sys.argv[5] if len(sys.argv) > 5 else None
for name, version in (("31", mqtt.MQTTv31), ("311", mqtt.MQTTv311), ("5", mqtt.MQTTv5)):
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=f"{prefix}-{name}", protocol=version, transport=transport
    )
    if ca:
        client.tls_set(ca_certs=ca)
    client.connect(host, port, keepalive=10)
    client.loop_start()
    for qos in (0, 1, 2):
        message = client.publish(f"site/a/f1/{prefix}-{name}-{qos}/temperature", "22.5", qos=qos)
        message.wait_for_publish(timeout=10)
        assert message.is_published(), f"QoS {qos} was not acknowledged"
    client.disconnect()
    client.loop_stop()
