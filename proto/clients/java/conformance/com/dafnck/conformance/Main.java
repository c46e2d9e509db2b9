package com.dafnck.conformance;

import com.dafnck.client.ApiError;
import io.grpc.StatusException;
import java.util.LinkedHashMap;
import java.util.Map;

/** The conformance scenario; ../conformance/README.md describes its steps and environment. */
public final class Main {
  private Main() {}

  private static Map<String, Step> steps() {
    var steps = new LinkedHashMap<String, Step>();
    steps.put("sign_up", AccountSteps::signUp);
    steps.put("second_factor", AccountSteps::secondFactor);
    steps.put("refresh", AccountSteps::refresh);
    steps.put("server_info", AccountSteps::serverInfo);
    steps.put("create", TaskSteps::create);
    steps.put("request_id_conflict", TaskSteps::requestIdConflict);
    steps.put("pages", TaskSteps::pages);
    steps.put("masks", TaskSteps::masks);
    steps.put("etag_conflict", TaskSteps::etagConflict);
    steps.put("batch", TaskSteps::batch);
    steps.put("complete_blocked", PlanSteps::completeBlocked);
    steps.put("plan", PlanSteps::plan);
    steps.put("watch_resume", StreamSteps::watchResume);
    steps.put("history", TaskSteps::history);
    steps.put("time_entries", TaskSteps::timeEntries);
    steps.put("milestones", PlanSteps::milestones);
    steps.put("upload_resume", StreamSteps::uploadResume);
    steps.put("download_checksum", StreamSteps::downloadChecksum);
    steps.put("comments", StreamSteps::comments);
    steps.put("notifications", InboxSteps::notifications);
    steps.put("webhooks", WebhookSteps::webhooks);
    steps.put("validation_errors", FailureSteps::validationErrors);
    steps.put("not_found_and_denied", FailureSteps::notFoundAndDenied);
    steps.put("deadline", FailureSteps::deadline);
    steps.put("cancellation", StreamSteps::cancellation);
    steps.put("retry_after_unavailable", FailureSteps::retryAfterUnavailable);
    steps.put("service_signature", FailureSteps::serviceSignature);
    return steps;
  }

  public static void main(String[] arguments) {
    var failed = false;
    try (var suite = new Suite()) {
      for (var step : steps().entrySet()) {
        try {
          System.out.println(step.getKey() + "\tok\t" + step.getValue().run(suite));
        } catch (Exception | AssertionError error) {
          failed = true;
          var text = error instanceof StatusException ? ApiError.of(error).toString() : error.toString();
          System.out.println(step.getKey() + "\tfailed\t" + text.replaceAll("\\s+", " "));
          error.printStackTrace();
        }
      }
    }
    System.exit(failed ? 1 : 0);
  }
}
