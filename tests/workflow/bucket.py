"""An S3 server of the tests' own, with one bucket, given to Airflow as a user gives it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION, KEY, SECRET, NAME = "eu-central-1", "the-access-key", "the-secret-key", "acme-runs"


@dataclass(frozen=True)
class Bucket:
    """``others`` is what other machines see and do there."""

    endpoint: str
    others: Any

    @property
    def connection(self) -> str:
        """An Airflow connection, as in .env.example."""
        extra = {"region_name": REGION, "endpoint_url": self.endpoint}
        return json.dumps({"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra})

    @property
    def variables(self) -> dict[str, str]:
        """The same for whoever uses no connection."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def names(self) -> list[str]:
        return [one["Key"] for one in self.others.list_objects_v2(Bucket=NAME).get("Contents", [])]

    def put(self, key: str, text: str) -> None:
        self.others.put_object(Bucket=NAME, Key=key, Body=text.encode())

    def delete(self, key: str) -> None:
        self.others.delete_object(Bucket=NAME, Key=key)


@contextmanager
def bucket() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        login = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": REGION}
        others = boto3.client("s3", endpoint_url=endpoint, **login)
        others.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield Bucket(endpoint, others)
    finally:
        server.stop()
        # What it stores belongs to the process, not to the server: the next one would find this bucket.
        s3_backends.reset()
