package com.dafnck.conformance;

import com.dafnck.common.v1.ResourceType;
import com.dafnck.project.v1.CreateWebhookRequest;
import com.dafnck.project.v1.DeleteWebhookRequest;
import com.dafnck.project.v1.ListWebhookDeliveriesRequest;
import com.dafnck.project.v1.SendTestEventRequest;
import com.dafnck.project.v1.Webhook;
import com.dafnck.project.v1.WebhookDelivery;
import com.dafnck.project.v1.WebhookFilter;
import java.util.List;

/** Steps about webhooks. */
final class WebhookSteps {
  private WebhookSteps() {}

  static String webhooks(Suite suite) throws Exception {
    var webhook = Webhook.newBuilder()
        .setProjectId(suite.projectId())
        .setUrl("https://hooks.invalid/")
        .setFilter(WebhookFilter.newBuilder().addResourceTypes(ResourceType.RESOURCE_TYPE_TASK));
    var created = suite.webhooks.createWebhook(
        CreateWebhookRequest.newBuilder().setRequestId(Suite.newId()).setWebhook(webhook).build());
    Check.equal(created.getSecret().startsWith("whsec_"), true, "the prefix of the secret");
    var id = created.getWebhook().getId();
    var test = SendTestEventRequest.newBuilder().setRequestId(Suite.newId()).setWebhookId(id).build();
    var first = suite.webhooks.sendTestEvent(test);
    Check.equal(suite.webhooks.sendTestEvent(test).getId(), first.getId(), "the delivery of the retry");
    var listed = suite.webhooks.listWebhookDeliveries(
        ListWebhookDeliveriesRequest.newBuilder().setWebhookId(id).build());
    var types = listed.getDeliveriesList().stream().map(WebhookDelivery::getEventType).toList();
    Check.equal(types, List.of("webhook.test"), "the deliveries");
    suite.webhooks.deleteWebhook(DeleteWebhookRequest.newBuilder().setWebhookId(id).build());
    return "a webhook with a secret, and a test event queued once";
  }
}
