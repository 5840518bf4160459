"""awsiotsdk: what a builder of it is given for each way to the gateway."""

from awscrt import auth, http

from gateway import DOES, GATEWAY
from proxy import proxy_to

# A name before `?SDK=`: the SDK adds its metrics to it, and neither is a login.
COMMON = {"ca_filepath": GATEWAY["ca"], "client_id": GATEWAY["client_id"], "username": "metrics"}

HOSTS = {
    "mutual TLS": {"endpoint": "localhost", "port": GATEWAY["mqtt"]},
    "mutual TLS with ALPN": {"endpoint": GATEWAY["name"], "through": GATEWAY["shared"]},
    "WebSocket": {"endpoint": "localhost", "port": GATEWAY["https"]},
    "WebSocket with ALPN": {"endpoint": GATEWAY["name"], "through": GATEWAY["shared"]},
}


def build(builder, **options):
    """A client of `builder`, in the way that the test asks for."""
    where = dict(HOSTS[DOES])
    if "through" in where:
        # The SDK's own default is port 443, and only there it speaks ALPN.
        port = proxy_to(where.pop("through"))
        where["http_proxy_options"] = http.HttpProxyOptions("127.0.0.1", port)
    options = COMMON | where | options
    if DOES.startswith("WebSocket"):
        access_key = auth.AwsCredentialsProvider.new_static(*GATEWAY["access_key"])
        return builder.websockets_with_default_aws_signing("us-east-1", access_key, **options)
    return builder.mtls_from_path(GATEWAY["certificate"], GATEWAY["key"], **options)
