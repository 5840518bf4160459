"""AWSIoTPythonSDK: finds its core, connects to it as it was told, and gets a status there.

It speaks ALPN only on port 443; its own way to a socket leads such a connection to the gateway.
"""

import json
import os
import tempfile

from AWSIoTPythonSDK.core.greengrass.discovery.providers import DiscoveryInfoProvider
from AWSIoTPythonSDK.exception.AWSIoTExceptions import (
    DiscoveryFailure,
    DiscoveryInvalidRequestException,
    DiscoveryUnauthorizedException,
)
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient

from gateway import DOES, GATEWAY, PATIENCE, REQUESTS, STATUS, Statuses, connect_to, request

PORTS = {"HTTPS": GATEWAY["https"], "HTTPS with ALPN": 443}


class Provider(DiscoveryInfoProvider):
    def _create_tcp_connection(self):
        return connect_to(GATEWAY["shared" if self._port == 443 else "https"])()


def provider(certificate=GATEWAY["certificate"], key=GATEWAY["key"]):
    provider = Provider()
    provider.configureEndpoint("localhost", PORTS[DOES])
    provider.configureCredentials(GATEWAY["ca"], certificate, key)
    provider.configureTimeout(PATIENCE)
    return provider


def refused(provider, thing, exception):
    try:
        provider.discover(thing)
    except exception as error:
        return error
    raise AssertionError(f"{thing} was discovered")


found = provider().discover(GATEWAY["client_id"])
[core] = found.getAllCores()
assert core.coreThingArn == "arn:aws:iot:us-east-1:000000000000:thing/core-1", core.coreThingArn
[(group, authority)] = found.getAllCas()
assert core.groupId == group
[address] = core.connectivityInfoList
assert (address.host, address.port) == ("127.0.0.1", GATEWAY["mqtt"])

with tempfile.TemporaryDirectory() as folder:
    trusted = os.path.join(folder, "group.pem")
    with open(trusted, "w") as file:
        file.write(authority)
    client = AWSIoTMQTTClient(GATEWAY["client_id"])
    client.configureEndpoint(address.host, address.port)
    client.configureCredentials(trusted, GATEWAY["key"], GATEWAY["certificate"])
    client.configureConnectDisconnectTimeout(PATIENCE)
    client.configureMQTTOperationTimeout(PATIENCE)
    statuses = Statuses()
    assert client.connect()
    assert client.subscribe(STATUS, 1, lambda _, __, message: statuses.take(message.payload))
    assert client.publish(REQUESTS, request(DOES), 1)
    statuses.expect(DOES)
    assert client.disconnect()

forbidden = refused(provider(), "other", DiscoveryFailure)
assert json.loads(forbidden.message) == {"message": "Forbidden"}, forbidden.message
refused(provider(), "..%2Fsensor", DiscoveryInvalidRequestException)
disabled = GATEWAY["disabled"]
disabled_provider = provider(disabled["certificate"], disabled["key"])
refused(disabled_provider, disabled["name"], DiscoveryUnauthorizedException)
