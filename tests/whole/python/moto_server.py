"""AWS as the moto server: delivery streams that write into buckets of their names.

Arguments: the streams. Prints the endpoint's URL. Then each line of its input names a
stream, and is answered with the contents of the bucket's objects: a JSON list of lists of
bytes. Ends with its input.
"""

import io
import json
import sys
from threading import Lock, Thread

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

moto = DomainDispatcherApplication(create_backend_app)
lock = Lock()


def one_at_a_time(environ, start_response):
    """Threads read requests, and moto, which is not made for threads, gets one after another."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))
    with lock:
        return list(moto(environ, start_response))


server = make_server(
    "127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler
)
Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"


def client(service):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


s3, firehose = client("s3"), client("firehose")
for stream in sys.argv[1:]:
    s3.create_bucket(Bucket=stream)
    firehose.create_delivery_stream(
        DeliveryStreamName=stream,
        S3DestinationConfiguration={
            "BucketARN": f"arn:aws:s3:::{stream}",
            "RoleARN": "arn:aws:iam::123456789012:role/firehose",
        },
    )
print(url, flush=True)

for line in sys.stdin:
    bucket = line.strip()
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    keys = [item["Key"] for item in found]
    contents = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    print(json.dumps([list(content) for content in contents]), flush=True)
