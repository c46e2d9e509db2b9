//! Diagrams of plans, drawn by the real Mermaid in a real browser.

use proto::project::v1::{CreateProjectRequest, Project};
use proto::task::v1 as pb;
use serde_json::{Value, json};
use testkit::{Actor, mermaid_script, new_id};

use super::Page;
use crate::harness::harness;

/// Titles that would end a label, begin a statement, a comment, a directive, an entity, an element or a formula.
const TITLES: [&str; 12] = [
    "say \"hi\"; end",
    "a: b, c :crit, x, 2020-01-01, 5d",
    "%% comment %%{init: {\"theme\": \"dark\"}}%%",
    "<b onclick=alert(1)>bold</b><script>",
    "#35; &amp; #quot; &#58;",
    "section gantt\\nend",
    "`code` $$x^2$$ \\ | [x] {y} (z)",
    "style: fill:#fff; classDef x:#f00;",
    "---> ==> -.-> ~~~ @{ shape: x }",
    "ﬂ°34¶ß ☃ 😀 日本",
    "click n0 call alert()",
    "title dateFormat YYYY",
];

const PAGE: &str = "<!doctype html><meta charset=utf-8><body><script>SCRIPT</script><script>
const draw = async (text, index) => {
    const { svg } = await mermaid.render('drawn' + index, text);
    const holder = document.createElement('div');
    holder.innerHTML = svg;
    document.body.append(holder);
    return { text: holder.textContent, scripts: holder.querySelectorAll('script, [onclick]').length };
};
const drawAll = async () => {
    mermaid.initialize({ startOnLoad: false });
    const drawn = [];
    for (const [index, text] of DIAGRAMS.entries()) drawn.push(await draw(text, index));
    return { drawn, theme: mermaid.mermaidAPI.getConfig().theme };
};
const report = value => fetch('/report', { method: 'POST', body: JSON.stringify(value) });
drawAll().then(report, error => report({ failure: String(error) }));
</script>";

/// A project whose keys begin with a word of Mermaid, in which each task waits for the one before.
async fn chain(who: &Actor) -> Project {
    let project = Project { name: "Chain".to_owned(), key: "GANTT".to_owned(), ..Default::default() };
    let request = CreateProjectRequest { project: Some(project), request_id: new_id() };
    let project = who.projects().create_project(request).await.unwrap().into_inner();
    let mut former: Option<pb::Task> = None;
    for title in TITLES {
        let next = who.task(&project, title).await;
        if let Some(former) = former.replace(next.clone()) {
            let dependency = pb::TaskDependency {
                task_id: next.id,
                depends_on_task_id: former.id,
                dependency_type: pb::DependencyType::Blocks.into(),
                ..Default::default()
            };
            let request =
                pb::CreateTaskDependencyRequest { task_dependency: Some(dependency), request_id: new_id() };
            who.plans().create_task_dependency(request).await.unwrap();
        }
    }
    project
}

async fn diagram(who: &Actor, project: &Project, format: pb::DiagramFormat) -> String {
    let request = pb::GetPlanRequest {
        project_id: project.id.clone(),
        diagram_format: format.into(),
        ..Default::default()
    };
    who.plans().get_plan(request).await.unwrap().into_inner().diagram
}

/// As it is read: without characters that have no width, and with one blank for many.
fn words(text: &str) -> String {
    text.replace('\u{200c}', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn page(script: &str, diagrams: &[String]) -> String {
    let diagrams = json!(diagrams).to_string().replace("</", "<\\/");
    PAGE.replace("DIAGRAMS", &diagrams).replacen("SCRIPT", &script.replace("</script", "<\\/script"), 1)
}

#[tokio::test]
async fn mermaid_draws_every_title_as_it_is() {
    let script = match mermaid_script().await {
        Ok(script) => script,
        Err(error) => {
            eprintln!("WARNING: no Mermaid could be had, diagrams were NOT drawn: {error:#}");
            return;
        }
    };
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let project = chain(&olga).await;
    let formats = [pb::DiagramFormat::Mermaid, pb::DiagramFormat::MermaidGantt];
    let diagrams = [diagram(&olga, &project, formats[0]).await, diagram(&olga, &project, formats[1]).await];
    let mut browser = Page::serve().await;
    let Some(report) = browser.open("127.0.0.1", page(&script, &diagrams)).await else { return };
    let drawn = report["drawn"].as_array().unwrap_or_else(|| panic!("{report}: {diagrams:?}"));
    assert_eq!(drawn.len(), 2, "{report}");
    for (drawing, diagram) in drawn.iter().zip(&diagrams) {
        assert_eq!(drawing["scripts"], json!(0), "{diagram}");
        let text = words(drawing["text"].as_str().unwrap());
        for title in TITLES {
            let shown: String = title.chars().take(39).collect();
            assert!(text.contains(&words(&shown)), "{title}: {text}\n{diagram}");
        }
    }
    assert_eq!(report["theme"], Value::from("default"), "no title changes the configuration");
}
