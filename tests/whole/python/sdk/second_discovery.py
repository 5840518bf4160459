"""awsiotsdk: finds its core, connects to it as it was told, and gets a status there."""

from awscrt import http, io
from awscrt.mqtt import QoS
from awsiot import greengrass_discovery, mqtt_connection_builder

from gateway import DOES, GATEWAY, PATIENCE, REQUESTS, STATUS, Statuses, request
from proxy import proxy_to


def client(certificate=GATEWAY["certificate"], key=GATEWAY["key"]):
    options = io.TlsContextOptions.create_client_with_mtls_from_path(certificate, key)
    options.override_default_trust_store_from_path(None, GATEWAY["ca"])
    # Its own default is port 443.
    proxy = http.HttpProxyOptions("127.0.0.1", proxy_to(GATEWAY["shared"]))
    client = greengrass_discovery.DiscoveryClient(
        io.ClientBootstrap.get_or_create_static_default(),
        io.SocketOptions(),
        io.ClientTlsContext(options),
        "us-east-1",
        gg_server_name="localhost",
        proxy_options=proxy if DOES == "HTTPS with ALPN" else None,
    )
    if DOES == "HTTPS":
        client.port = GATEWAY["https"]
    return client


def refused(client, thing):
    try:
        client.discover(thing).result(PATIENCE)
    except greengrass_discovery.DiscoveryException as error:
        return error.http_response_code
    raise AssertionError(f"{thing} was discovered")


found = client().discover(GATEWAY["client_id"]).result(PATIENCE)
[group] = found.gg_groups
[core] = group.cores
assert core.thing_arn == "arn:aws:iot:us-east-1:000000000000:thing/core-1", core.thing_arn
[address] = core.connectivity
assert (address.host_address, address.port) == ("127.0.0.1", GATEWAY["mqtt"])

connection = mqtt_connection_builder.mtls_from_path(
    GATEWAY["certificate"],
    GATEWAY["key"],
    endpoint=address.host_address,
    port=address.port,
    ca_bytes=group.certificate_authorities[0].encode(),
    client_id=GATEWAY["client_id"],
    clean_session=True,
)
statuses = Statuses()
connection.on_message(lambda topic, payload, **_: statuses.take(payload))
connection.connect().result(PATIENCE)
connection.subscribe(STATUS, QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
connection.publish(REQUESTS, request(DOES), QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
statuses.expect(DOES)
connection.disconnect().result(PATIENCE)

assert refused(client(), "other") == 403
assert refused(client(), "..%2Fsensor") == 400
disabled = GATEWAY["disabled"]
assert refused(client(disabled["certificate"], disabled["key"]), disabled["name"]) == 401
