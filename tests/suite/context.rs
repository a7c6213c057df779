//! What the model is told of the user's files: instructions for the project, and images.

use llmx_tests::world::{Answer, ModelServer, Request, Response, Setup, Workspace};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn hello(id: &str) -> Answer {
    Response::of(id).says(&["Hello."]).completed()
}

/// The instructions that a session tells the model, without their frame.
async fn instructions(setup: impl FnOnce(Setup) -> Setup, workspace: Workspace) -> Option<String> {
    let server = ModelServer::start([hello("resp_1")]).await;
    let mut ui = setup(Setup::with(&server)).workspace(workspace).configured().await;
    ui.task("u1", "hello").await;
    let request = server.request(1).await;
    ui.ends_with(0).await;
    let framed =
        request.conversation().into_iter().find(|line| line.starts_with("user: # AGENTS.md instructions for "))?;
    let (_, text) = framed.split_once("<INSTRUCTIONS>\n")?;
    Some(text.strip_suffix("\n</INSTRUCTIONS>")?.to_owned())
}

fn workspace(files: &[(&str, &str)]) -> Workspace {
    let workspace = Workspace::empty();
    for (name, text) in files {
        workspace.write(name, text);
    }
    workspace
}

#[tokio::test]
async fn the_instructions_of_a_project_are_told_within_their_budget() {
    let as_is = |setup: Setup| setup;
    assert_eq!(instructions(as_is, Workspace::empty()).await, None);
    let project = || workspace(&[(".git/HEAD", "x"), ("AGENTS.md", "Use tabs."), ("NOTES.md", "Use blanks.")]);
    assert_eq!(instructions(as_is, project()).await.as_deref(), Some("Use tabs."));
    let short = |setup: Setup| setup.setting("project_doc_max_bytes", "3");
    assert_eq!(instructions(short, project()).await.as_deref(), Some("Use"));
    let own = |setup: Setup| setup.setting("user_instructions", "'Be kind.'");
    assert_eq!(instructions(own, project()).await.as_deref(), Some("Be kind.\n\n--- project-doc ---\n\nUse tabs."));
    let renamed = |setup: Setup| setup.setting("project_doc_fallback_filenames", "['NOTES.md']");
    assert_eq!(instructions(renamed, workspace(&[("NOTES.md", "Notes.")])).await.as_deref(), Some("Notes."));
}

#[tokio::test]
async fn instructions_are_read_when_a_session_is_configured_and_then_stay() {
    let server = ModelServer::start([hello("resp_1"), hello("resp_2")]).await;
    let mut ui = Setup::with(&server).workspace(workspace(&[("AGENTS.md", "Early.")])).configured().await;
    ui.workspace.write("AGENTS.md", "Late.");
    ui.task("u1", "hello").await;
    ui.task("u2", "again").await;
    let told = server.request(2).await.conversation().join("\n");
    assert!(told.contains("Early.") && !told.contains("Late."), "{told}");
    ui.ends_with(0).await;
}

/// A command can leave such a link for the next session, and cannot read what it leads to itself.
#[tokio::test]
async fn a_link_in_place_of_instructions_tells_the_model_no_secrets() {
    let linked = |to: &Path| {
        let workspace = Workspace::empty();
        std::os::unix::fs::symlink(to, workspace.at("AGENTS.md")).unwrap();
        workspace
    };
    let homes = Workspace::empty();
    homes.write("NOTES.md", "Use tabs.");
    homes.write("auth.json", "hunter2");
    let variable = |setup: Setup| setup.variable("WORK_PW", "hunter2");
    assert_eq!(instructions(variable, linked(&homes.at("NOTES.md"))).await.as_deref(), Some("Use tabs."));
    for target in [homes.at("auth.json"), "/proc/self/environ".into(), "/proc/self/limits".into()] {
        assert_eq!(instructions(variable, linked(&target)).await, None, "{}", target.display());
    }
}

fn last_content(request: &Request) -> Value {
    request.input().last().unwrap()["content"].clone()
}

#[tokio::test]
async fn local_images_are_sent_as_data_and_bad_ones_are_named() {
    let server = ModelServer::start([hello("resp_1")]).await;
    let mut ui = Setup::with(&server).configured().await;
    let png = ui.workspace.at("dot.dat");
    fs::write(&png, b"\x89PNG\r\n\x1a\n1").unwrap();
    ui.workspace.write("note.png", "not an image");
    let (note, absent) = (ui.workspace.at("note.png"), ui.workspace.at("absent.png"));
    let image = |path: &Path| json!({"type": "local_image", "path": path});
    let items = json!([{"type": "text", "text": "look"}, image(&png), image(&note), image(&absent)]);
    ui.send("u1", json!({"type": "user_input", "items": items})).await;
    let events = ui.until_the_end_of("u1").await;
    assert_eq!(events.last().unwrap().kind(), "task_complete", "{}", ui.story());
    let content = last_content(&server.request(1).await);
    assert_eq!(content[0], json!({"type": "input_text", "text": "look"}));
    let url = "data:image/png;base64,iVBORw0KGgox";
    assert_eq!(content[1], json!({"type": "input_image", "image_url": url}));
    for (part, path, why) in [(&content[2], &note, "not a PNG"), (&content[3], &absent, "No such file")] {
        let text = part["text"].as_str().unwrap();
        assert!(part["type"] == "input_text" && text.contains(path.to_str().unwrap()) && text.contains(why), "{text}");
    }
    ui.ends_with(0).await;
}

#[tokio::test]
async fn a_file_may_hold_the_system_text_and_a_bad_one_is_named() {
    let server = ModelServer::start([hello("resp_1")]).await;
    let setup = || Setup::with(&server).setting("experimental_instructions_file", "'prompt.md'");
    let mut ui = setup().workspace(workspace(&[("prompt.md", "Be kind.")])).configured().await;
    ui.task("u1", "hello").await;
    assert_eq!(server.request(1).await.body["instructions"], "Be kind.");
    ui.ends_with(0).await;
    let mut ui = setup().workspace(Workspace::empty()).start();
    let op = json!({"type": "configure_session", "cwd": ui.workspace.path()});
    ui.send("c1", op).await;
    let event = ui.next().await;
    assert!(event.kind() == "error" && event.text("message").contains("prompt.md"), "{event:?}");
    ui.ends_with(0).await;
}
