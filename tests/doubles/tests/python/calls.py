"""Makes calls with boto3 and says what came of each.

A line of the input is a call, a line of the output what it came to. Firehose has a client
in boto3. IoT Analytics has none, and its calls are signed and sent by botocore's own parts.
"""

import json
import ssl
import sys
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

CONFIG = Config(
    retries={"total_max_attempts": 1},
    parameter_validation=False,
    connect_timeout=10,
    read_timeout=10,
)


def by_client(call):
    client = boto3.client(
        call["service"],
        endpoint_url=call["url"],
        region_name=call["region"],
        aws_access_key_id=call["access_key"],
        aws_secret_access_key=call["secret_key"],
        aws_session_token=call.get("session_token"),
        config=CONFIG,
    )
    try:
        answer = getattr(client, call["operation"])(**call["arguments"])
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"status": status, "error": error.response["Error"]["Code"]}
    del answer["ResponseMetadata"]
    return {"status": 200, "answer": answer}


def by_parts(call):
    request = AWSRequest(
        method="POST",
        url=call["url"] + call["path"],
        headers={"Content-Type": "application/json"},
        data=json.dumps(call["body"]).encode(),
    )
    credentials = Credentials(
        call["access_key"], call["secret_key"], call.get("session_token")
    )
    SigV4Auth(credentials, call["service"], call["region"]).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    if answer.status_code != 200:
        error = answer.headers["x-amzn-ErrorType"].split(":")[0]
        return {"status": answer.status_code, "error": error}
    return {"status": 200, "answer": json.loads(answer.content)}


def credentials(call):
    """Temporary credentials of AWS IoT, for the device's certificate."""
    context = ssl.create_default_context(cafile=call["ca"])
    context.load_cert_chain(call["certificate"], call["private_key"])
    request = urllib.request.Request(
        call["url"], headers={"x-amzn-iot-thingname": call["thing_name"]}
    )
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return {"status": answer.status, "answer": json.load(answer)}


KINDS = {"client": by_client, "parts": by_parts, "credentials": credentials}

for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps(KINDS[call["kind"]](call)), flush=True)
