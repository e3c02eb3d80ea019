"""The session's cluster is real."""

from __future__ import annotations

import httpx2 as httpx
from confluent_kafka.admin import AdminClient

from tests.conftest import Cluster


def test_broker_answers(cluster: Cluster) -> None:
    assert AdminClient({"bootstrap.servers": cluster.bootstrap_servers}).list_topics(timeout=10).brokers


def test_registry_refuses_what_breaks_readers(cluster: Cluster, unique: str) -> None:
    def post(fields: str) -> int:
        body = {"schema": f'{{"type":"record","name":"R","fields":[{fields}]}}'}
        url = f"{cluster.registry_url}/subjects/{unique}-value/versions"
        return httpx.post(url, json=body, trust_env=False).status_code

    assert post('{"name":"a","type":"string"}') == 200
    assert post('{"name":"a","type":"string"},{"name":"b","type":"string"}') in (409, 422)
