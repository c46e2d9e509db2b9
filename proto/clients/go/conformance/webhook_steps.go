package main

import (
	"context"
	"strings"

	commonv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/common/v1"
	projectv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/project/v1"
	"github.com/google/uuid"
)

func webhooks(ctx context.Context, s *scenario) string {
	created := must(s.user.webhooks.CreateWebhook(ctx, &projectv1.CreateWebhookRequest{
		RequestId: uuid.NewString(),
		Webhook: &projectv1.Webhook{
			ProjectId: s.project.Id,
			Url:       "https://hooks.invalid/",
			Filter: &projectv1.WebhookFilter{
				ResourceTypes: []commonv1.ResourceType{commonv1.ResourceType_RESOURCE_TYPE_TASK},
			},
		},
	}))
	checkThat(strings.HasPrefix(created.Secret, "whsec_"), "the secret has no prefix")
	id := created.Webhook.Id
	test := &projectv1.SendTestEventRequest{RequestId: uuid.NewString(), WebhookId: id}
	first := must(s.user.webhooks.SendTestEvent(ctx, test))
	retry := must(s.user.webhooks.SendTestEvent(ctx, test))
	check(retry.Id, first.Id, "the delivery of the retry")
	list := &projectv1.ListWebhookDeliveriesRequest{WebhookId: id}
	deliveries := must(s.user.webhooks.ListWebhookDeliveries(ctx, list)).Deliveries
	check(len(deliveries), 1, "the number of deliveries")
	check(deliveries[0].EventType, "webhook.test", "the type of the event")
	must(s.user.webhooks.DeleteWebhook(ctx, &projectv1.DeleteWebhookRequest{WebhookId: id}))
	return "a webhook with a secret, and a test event queued once"
}
