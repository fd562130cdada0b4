"""What a text names by its role is the thing hurt; addresses to read at and the platform's own words are not."""

from __future__ import annotations

import pytest

from pipesleuth.model import Category
from pipesleuth.triage.entity import entity_of

NAMED = (
    ("authentication", "Invalid credentials for repository URL https://github.com/acme/etl. Check them.", "https://github.com/acme/etl"),
    ("resource_not_found", "Git repository is gone: a repo that does not exist: https://github.com/acme/dwh", "https://github.com/acme/dwh"),
    ("code_error", "[X] User defined function (`Curve$$$Lambda$4471/0x0 (string) => double`) failed", "Curve$"),
    ("resource_not_found", "Unable to find git reference 'release/7' (branch) in https://dev.acme.com/x", "release/7"),
    ("firewall", "Client address: 20.73.1.8\nVault: kv-hr;location=westeurope", "kv-hr"),
    ("authorization", "not allowed to use this endpoint. [http_path: /sql/1.0/warehouses/8f1e]", "/sql/1.0/warehouses/8f1e"),
    ("certificate_tls", "operation failed. Account: 'stprd'. FileSystem: 'curated'.", "stprd"),
    ("data_quality", "violates constraint 'chk_amount' in table 'dbo.T'", "chk_amount"),
    ("unsupported_feature", "FEATURE_DISABLED: Serverless Jobs is not enabled here", "Serverless Jobs"),
    ("code_error", "'project' operator: no column or expression named 'TenantName'", "TenantName"),
    ("quota_limit", "Cannot create more in Schema dev.scratch (limit: 10000)", "dev.scratch"),
    ("dependency_failure", "conflict:\n    great-lib 0.15 depends on pandas<2.0", "great-lib"),
    ("network_connectivity", "Query [id = b61f9a2e-3c17-4a0e-9f88-d1c2b3a4f5e6, runId = 1] ended", "b61f9a2e-3c17-4a0e-9f88-d1c2b3a4f5e6"),
    ("cluster_provisioning", "waiting for the cluster (0519-021507-ab12cd34): see https://adb-1.azuredatabricks.net/x", "0519-021507-ab12cd34"),
    ("cancelled", "Job 214 cancelled part of a group", "Job 214"),
    ("network_connectivity", "Connection refused: broker-1.kafka.local/10.1.2.3:9092", "broker-1.kafka.local"),
    ("authorization", "The storage operation failed. Account: stlake01, Container: raw", "stlake01"),
    ("resource_not_found", "Path raw/in/2024/*.csv does not resolve to any file(s)", "raw/in/2024/*.csv"),
    ("schema_mismatch", "provide the schema (column definition) of table `main`.`stg`.`x`", "`main`.`stg`.`x`"),
    ("out_of_memory", "Lost task (10.1.0.6 executor 2): cannot acquire memory", "10.1.0.6"),
)  # fmt: skip
NOTHING = (
    ("network_connectivity", "see the run page url: https://adb-55.5.azuredatabricks.net/?o=1#job/1"),
    ("internal_service_error", "Lost task 0.3 (10.1.0.6 executor 2): failed"),
    ("concurrency_conflict", "io.delta.exceptions.MetadataChangedException: try again"),
    ("expression_parameter", "inputs at line '1' and column '1900'"),
    ("dependency_failure", "pip install -r requirements.txt failed"),
)


@pytest.mark.parametrize(("category", "text", "name"), NAMED)
def test_what_is_called_by_its_role_is_the_entity(category: str, text: str, name: str) -> None:
    assert entity_of(text, Category(category), None, 0) == name


@pytest.mark.parametrize(("category", "text"), NOTHING)
def test_an_address_to_read_at_or_a_word_of_the_platform_is_no_entity(category: str, text: str) -> None:
    assert entity_of(text, Category(category), None, 0) is None
