"""Steps about webhooks."""

from conformance.scenario import TIMEOUT, Scenario, check, check_that, new_id
from dafnck.common.v1 import change_pb2
from dafnck.project.v1 import webhook_pb2


def webhooks(scenario: Scenario) -> str:
    stub = scenario.user.webhooks
    webhook = webhook_pb2.Webhook(
        project_id=scenario.project.id,
        url="https://hooks.invalid/",
        filter=webhook_pb2.WebhookFilter(resource_types=[change_pb2.RESOURCE_TYPE_TASK]),
    )
    request = webhook_pb2.CreateWebhookRequest(request_id=new_id(), webhook=webhook)
    created = stub.CreateWebhook(request, timeout=TIMEOUT)
    check_that(created.secret.startswith("whsec_"), "the secret has no prefix")
    webhook_id = created.webhook.id
    test = webhook_pb2.SendTestEventRequest(request_id=new_id(), webhook_id=webhook_id)
    sent = [stub.SendTestEvent(test, timeout=TIMEOUT) for _ in range(2)]
    check(sent[0].id, sent[1].id, "the delivery of the retry")
    listed = webhook_pb2.ListWebhookDeliveriesRequest(webhook_id=webhook_id)
    deliveries = stub.ListWebhookDeliveries(listed, timeout=TIMEOUT).deliveries
    check([delivery.event_type for delivery in deliveries], ["webhook.test"], "the deliveries")
    stub.DeleteWebhook(webhook_pb2.DeleteWebhookRequest(webhook_id=webhook_id), timeout=TIMEOUT)
    return "a webhook with a secret, and a test event queued once"
