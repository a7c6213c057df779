//! Shell commands that are calls of `apply_patch`.

use llmx_protocol::patch::{
    ShellPatch::{self, Call, WithoutCall},
    in_command,
};

const PATCH: &str = "*** Begin Patch\n*** Delete File: a\n*** End Patch";

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(ToString::to_string).collect()
}

fn script(script: &str) -> Option<ShellPatch> {
    in_command(&words(&["bash", "-lc", script]))
}

fn call(patch: &str, workdir: Option<&str>) -> Option<ShellPatch> {
    Some(Call { patch: patch.into(), workdir: workdir.map(Into::into) })
}

#[test]
fn the_command_itself_is_a_call() {
    for name in ["apply_patch", "applypatch"] {
        assert_eq!(in_command(&words(&[name, PATCH])), call(PATCH, None));
        assert_eq!(in_command(&words(&[name, "no patch"])), call("no patch", None));
    }
}

#[test]
fn a_script_that_does_nothing_else_is_a_call() {
    let check = |head: &str, tag: &str, workdir: Option<&str>| {
        assert_eq!(script(&format!("{head}\n{PATCH}\n{tag}")), call(PATCH, workdir), "{head}");
        assert_eq!(script(&format!("\n {head}\n{PATCH}\n\n{tag}\n\n")), call(PATCH, workdir), "{head}");
    };
    check("apply_patch <<'EOF'", "EOF", None);
    check("applypatch <<\"PATCH_1\"", "PATCH_1", None);
    check("apply_patch <<EOF", "EOF", None);
    check("apply_patch<<'EOF' ", "EOF", None);
    check("apply_patch  << 'EOF'", "EOF", None);
    check("cd dir && apply_patch <<'EOF'", "EOF", Some("dir"));
    check("cd a/b-c.d&&apply_patch <<'EOF'", "EOF", Some("a/b-c.d"));
    check("cd '/x y/$z' && applypatch <<'EOF'", "EOF", Some("/x y/$z"));
    check("cd \"x y\"  &&  apply_patch <<'EOF'", "EOF", Some("x y"));
    check("cd dir &&\n  apply_patch <<'EOF'", "EOF", Some("dir"));
}

#[test]
fn the_lines_of_a_call_are_taken_as_they_are() {
    let check = |body: &str, expected: &str| {
        assert_eq!(script(&format!("apply_patch <<'EOF'\n{body}EOF\n")), call(expected, None), "{body}");
    };
    check("", "");
    check("nonsense\n", "nonsense");
    check("+$HOME `x` \\\n EOF\nEOF \n+EOF\n\n\n", "+$HOME `x` \\\n EOF\nEOF \n+EOF");
}

#[test]
fn a_patch_without_the_call_is_told_apart() {
    assert_eq!(in_command(&words(&[PATCH])), Some(WithoutCall));
    assert_eq!(script(PATCH), Some(WithoutCall));
    assert_eq!(script(&format!("\n{PATCH}\n")), Some(WithoutCall));
    assert!(ShellPatch::WITHOUT_CALL.starts_with("patch detected without explicit call to apply_patch. Rerun as "));
}

#[test]
fn anything_else_is_an_ordinary_command() {
    let check = |command: &[&str]| assert_eq!(in_command(&words(command)), None, "{command:?}");
    check(&[]);
    check(&["ls"]);
    check(&["apply_patch"]);
    check(&["apply_patch", PATCH, "x"]);
    check(&["/usr/bin/apply_patch", PATCH]);
    let heredoc = format!("apply_patch <<'EOF'\n{PATCH}\nEOF\n");
    check(&["sh", "-lc", &heredoc]);
    check(&["/bin/bash", "-lc", &heredoc]);
    check(&["bash", "-c", &heredoc]);
    check(&["bash", "-lc", &heredoc, "x"]);
    check(&["sh", "-c", PATCH]);
}

#[test]
fn a_script_that_does_more_is_an_ordinary_command() {
    let check = |head: &str, tail: &str| {
        let text = format!("{head}\n{PATCH}\n{tail}");
        assert_eq!(script(&text), None, "{text}");
    };
    for head in [
        "apply_patch -v <<'EOF'",
        "apply_patch <<'EOF' | tee x",
        "apply_patch <<'EOF' && ls",
        "apply_patch <<'EOF' > x",
        "apply_patch <<'EOF';",
        "apply_patch <<-'EOF'",
        "apply_patch <<<'EOF'",
        "apply_patch <<'EOF\"",
        "apply_patch <<",
        "apply_patch <<''",
        "apply_patch <<E\\OF",
        "apply_patch < EOF",
        "apply_patch",
        "x=1 apply_patch <<'EOF'",
        "sudo apply_patch <<'EOF'",
        "echo && apply_patch <<'EOF'",
        "ls\napply_patch <<'EOF'",
        "# patch\napply_patch <<'EOF'",
        "cd && apply_patch <<'EOF'",
        "cd a b && apply_patch <<'EOF'",
        "cd a; apply_patch <<'EOF'",
        "cd a || apply_patch <<'EOF'",
        "cd a & apply_patch <<'EOF'",
        "cd a\napply_patch <<'EOF'",
        "cd a && cd b && apply_patch <<'EOF'",
        "cd - && apply_patch <<'EOF'",
        "cd ~ && apply_patch <<'EOF'",
        "cd $HOME && apply_patch <<'EOF'",
        "cd \"$HOME\" && apply_patch <<'EOF'",
        "cd `pwd` && apply_patch <<'EOF'",
        "cd a* && apply_patch <<'EOF'",
        "cd a'b' && apply_patch <<'EOF'",
        "cd 'a'b && apply_patch <<'EOF'",
        "cd '' && apply_patch <<'EOF'",
        "cd 'a && apply_patch <<'EOF'",
        "cda && apply_patch <<'EOF'",
    ] {
        check(head, "EOF\n");
    }
    for tail in ["", "EOF2\n", " EOF\n", "EOF\nls\n", "EOF; ls\n", "EOF\nEOF\n"] {
        check("apply_patch <<'EOF'", tail);
    }
}
