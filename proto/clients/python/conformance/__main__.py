"""The conformance scenario; ../../conformance/README.md has the contract."""

import sys

import grpc

from conformance import account_steps, connection_steps, content_steps, inbox_steps, task_steps, webhook_steps
from conformance.scenario import Scenario
from dafnck_client.errors import explain

STEPS = [
    account_steps.sign_up,
    account_steps.second_factor,
    account_steps.refresh,
    account_steps.server_info,
    task_steps.create,
    task_steps.request_id_conflict,
    task_steps.pages,
    task_steps.masks,
    task_steps.etag_conflict,
    task_steps.batch,
    task_steps.complete_blocked,
    task_steps.plan,
    connection_steps.watch_resume,
    task_steps.history,
    task_steps.time_entries,
    task_steps.milestones,
    content_steps.upload_resume,
    content_steps.download_checksum,
    content_steps.comments,
    inbox_steps.notifications,
    webhook_steps.webhooks,
    connection_steps.validation_errors,
    connection_steps.not_found_and_denied,
    connection_steps.deadline,
    connection_steps.cancellation,
    connection_steps.retry_after_unavailable,
    connection_steps.service_signature,
]


def main() -> int:
    scenario, failures = Scenario(), 0
    for step in STEPS:
        try:
            outcome, detail = "ok", step(scenario)
        # Whatever goes wrong in a step, the next ones still run.
        except Exception as error:
            failures += 1
            outcome = "failed"
            detail = explain(error) if isinstance(error, grpc.RpcError) else f"{type(error).__name__}: {error}"
        print(step.__name__, outcome, detail.replace("\n", "; "), sep="\t", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
