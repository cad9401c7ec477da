"""The manifest for Kubernetes against the schema of its API."""

from __future__ import annotations

from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "kubernetes.yaml"


def test_the_manifest_keeps_the_schema_and_names_one_rendezvous():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all(PAGE.read_text(encoding="utf-8"))
    for document in (service, job):
        kubernetes_validate.validate(document, "1.30", strict=True)
    pod = job["spec"]["template"]["spec"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    arguments = pod["containers"][0]["args"]
    assert f"--nnodes={job['spec']['completions']}" in arguments
    assert f"--rdzv-endpoint={job['metadata']['name']}-0.{pod['subdomain']}:29400" in arguments
