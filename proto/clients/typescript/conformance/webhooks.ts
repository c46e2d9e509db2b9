import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { ResourceType } from "../gen/dafnck/common/v1/change_pb.js";
import type { Step } from "./context.js";

export const webhooks: Step = async (context) => {
  const created = await context.webhooks.createWebhook({
    requestId: randomUUID(),
    webhook: {
      projectId: context.projectId,
      url: "https://hooks.invalid/",
      filter: { resourceTypes: [ResourceType.TASK] },
    },
  });
  assert.match(created.secret, /^whsec_/);
  const webhookId = created.webhook?.id ?? "";
  const test = { requestId: randomUUID(), webhookId };
  const first = await context.webhooks.sendTestEvent(test);
  assert.equal((await context.webhooks.sendTestEvent(test)).id, first.id);
  const { deliveries } = await context.webhooks.listWebhookDeliveries({ webhookId });
  assert.deepEqual(
    deliveries.map(({ eventType }) => eventType),
    ["webhook.test"],
  );
  await context.webhooks.deleteWebhook({ webhookId });
  return "a webhook with a secret, and a test event queued once";
};
