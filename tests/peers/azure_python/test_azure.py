"""Microsoft's clients for Python against the emulator's defaults; run by tests/peers/azure_python_spec.lua."""

import inspect
import os

import pytest
from azpec_emulator import azpec_emulator, azpec_emulator_process  # noqa: F401
from azure.core import MatchConditions
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.batch.models import PrivateEndpointConnection, PrivateLinkServiceConnectionState

ARM = "https://management.azure.com/.default"


def credential(emulator, secret=None):
    # azure-identity before 1.13 has the second name for what is the first today
    no_discovery = {"disable_instance_discovery": True, "instance_discovery": False}
    return ClientSecretCredential(
        emulator.tenant_id, emulator.client_id, secret or emulator.client_secret, authority=emulator.tls_endpoint,
        connection_verify=emulator.ca_file, **no_discovery)


def batch(emulator):
    return BatchManagementClient(
        credential(emulator), emulator.subscription_id, base_url=emulator.tls_endpoint, credential_scopes=[ARM],
        connection_verify=emulator.ca_file, polling_interval=0, retry_total=0)


def names(connection_id):
    parts = connection_id.split("/")
    return parts[4], parts[8], parts[10]


def approval(description):
    return PrivateEndpointConnection(private_link_service_connection_state=PrivateLinkServiceConnectionState(
        status="Approved", description=description))


def quick(emulator):
    emulator.control("PATCH", "options", {"operation_polls": 1, "retry_after": 0, "operation_seconds": 0})


def test_approves_and_polls_to_the_end(azpec_emulator):
    quick(azpec_emulator)
    place = names(azpec_emulator.connections[0])
    update = batch(azpec_emulator).private_endpoint_connection.begin_update
    found = update(*place, approval("by azure-mgmt-batch")).result(60)
    assert found.private_link_service_connection_state.status == "Approved"
    assert found.private_link_service_connection_state.description == "by azure-mgmt-batch"


def test_lists_all_pages(azpec_emulator):
    operations = batch(azpec_emulator).private_endpoint_connection
    assert len(list(operations.list_by_batch_account("rg-contoso-prod", "contosobatch"))) == 25


def test_gets_412_for_an_etag_of_long_ago(azpec_emulator):
    place = names(azpec_emulator.connections[0])
    update = batch(azpec_emulator).private_endpoint_connection.begin_update
    old = {"if_match": '"0x1"'}
    if "match_condition" in inspect.signature(update).parameters:  # azure-mgmt-batch 18 and later
        old = {"etag": '"0x1"', "match_condition": MatchConditions.IfNotModified}
    with pytest.raises(HttpResponseError) as refused:
        update(*place, approval("x"), **old)
    assert refused.value.status_code == 412


def test_deletes_and_gets_404(azpec_emulator):
    quick(azpec_emulator)
    place = names(azpec_emulator.connections[0])
    operations = batch(azpec_emulator).private_endpoint_connection
    operations.begin_delete(*place).result(60)
    with pytest.raises(ResourceNotFoundError):
        operations.get(*place)


def test_reads_accounts_links_and_operations(azpec_emulator):
    client = batch(azpec_emulator)
    assert [account.name for account in client.batch_account.list()][0] == "sampleacct"
    place = names(azpec_emulator.connections[0])[:2]
    assert [link.group_id for link in client.private_link_resource.list_by_batch_account(*place)] == [
        "batchAccount", "nodeManagement"]
    assert len(list(client.operations.list())) == 5


def test_reports_the_number_of_a_wrong_secret(azpec_emulator):
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential(azpec_emulator, "wrong").get_token(ARM)


def test_a_managed_identity_gets_a_token(azpec_emulator, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", azpec_emulator.endpoint)
    assert ManagedIdentityCredential().get_token(ARM).token.count(".") == 2
    assert os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"].startswith("http://127.0.0.1:")
