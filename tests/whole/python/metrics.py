"""Reads metrics from stdin with the parser of Prometheus' own client, and tells what it found."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.buffer.read().decode()))
samples = [sample for family in families for sample in family.samples]
print(
    json.dumps(
        {
            "samples": len(samples),
            "types": sorted({family.type for family in families}),
            "destinations": sorted({s.labels["destination"] for s in samples if "destination" in s.labels}),
            "without_help": [family.name for family in families if not family.documentation],
        }
    )
)
