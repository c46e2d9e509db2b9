//! Plans of tasks with a start date.

use proto::task::v1 as pb;

use crate::fixtures::*;
use crate::plan::{MONDAY_MORNING, shown};

#[tokio::test]
async fn a_plan_starts_no_task_before_its_start_date() {
    let Team { olga, vic, project, .. } = &team().await;
    let tuesday = Some(prost_types::Timestamp { seconds: MONDAY_MORNING + 86_400, nanos: 0 });
    let task = |title| pb::Task { estimated_duration: work_hours(4), ..new_task(project, title) };
    let first = create(olga, pb::Task { start_at: tuesday, ..task("first") }).await.unwrap();
    let second = create(olga, task("second")).await.unwrap();
    blocks(olga, &second, &first).await.unwrap();
    create(olga, task("free")).await.unwrap();
    let monday = Some(prost_types::Timestamp { seconds: MONDAY_MORNING, nanos: 0 });
    let request =
        pb::GetPlanRequest { project_id: project.id.clone(), start_at: monday, ..Default::default() };
    let made = vic.plans().get_plan(request.clone()).await.unwrap().into_inner();
    assert_eq!(
        shown(&made),
        [
            "first: wave 0, 4 h, 8-12, 8-12, slack 0",
            "second: wave 1, 4 h, 12-16, 12-16, slack 0",
            "free: wave 0, 4 h, 0-4, 12-16, slack 12",
        ]
    );
    assert_eq!((hours_of(made.finish), made.critical_path), (16, vec![0, 1]));
    let gantt = pb::GetPlanRequest { diagram_format: pb::DiagramFormat::MermaidGantt.into(), ..request };
    let chart = vic.plans().get_plan(gantt).await.unwrap().into_inner().diagram;
    assert!(chart.contains("first, 4 h :crit, n0, 2040-01-03T09:00, 2040-01-03T13:00"), "{chart}");
    let slip = pb::GetSlipImpactRequest {
        project_id: project.id.clone(),
        task_id: first.id,
        extra_duration: work_hours(1),
        start_at: monday,
        ..Default::default()
    };
    let impact = vic.plans().get_slip_impact(slip).await.unwrap().into_inner();
    assert_eq!((hours_of(impact.finish), hours_of(impact.finish_delay)), (17, 1));
}
