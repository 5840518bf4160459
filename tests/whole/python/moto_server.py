"""AWS as the moto server: delivery streams that write into buckets of their names.

Arguments: the streams. Prints the endpoint's URL. Then each line of its input names a
stream, and is answered with the contents of the bucket's objects: a JSON list of lists of
bytes. Ends with its input.
"""

import json
import sys

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"


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
