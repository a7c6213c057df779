use super::{
    git::{GIT_SUBCOMMANDS, destroys_in_git},
    *,
};
use crate::command::fixture::{argv, script};
use proptest::prelude::*;

/// Commands without blanks in their words: as argv, as a script, and as a part of one that can only be scanned.
fn check(lines: &[&str], dangerous: bool) {
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(might_be_dangerous(&argv(&words)), dangerous, "{line}");
        assert_eq!(might_be_dangerous(&script(line)), dangerous, "script {line}");
        let listed = format!("cd x && {line}; ls");
        assert_eq!(might_be_dangerous(&script(&listed)), dangerous, "{listed}");
    }
}

#[test]
fn forced_or_recursive_removal() {
    check(
        &[
            "rm -f x",
            "rm -rf x",
            "rm -fr x",
            "rm -r -f x",
            "rm -r x",
            "rm -R x",
            "rm -vrf x",
            "rm x -rf",
            "/bin/rm -f x",
            "./rm -f x",
            "rm --force x",
            "rm --recursive x",
            "rm --forc x",
            "rm -v --rec x",
            "find . -delete",
            "find . -name x -exec rm -f y",
            "find . -execdir sh -c rm -rf",
            "dd of=x",
            "dd",
            "mkfs /dev/x",
            "/sbin/mkfs.ext4 /dev/x",
        ],
        true,
    );
    check(
        &[
            "rm x",
            "rm -i x",
            "rm -v x",
            "rm -- -rf",
            "rm",
            "rmdir x",
            "rm --verbose x",
            "ls -rf",
            "cp -rf a b",
            "echo rm -rf",
            "find . -name rm",
            "find . -exec grep x y",
            "cat dd",
            "ddate",
            "echo mkfs",
            "docker run --rm -f x",
            "",
        ],
        false,
    );
}

#[test]
fn git_that_throws_away() {
    check(
        &[
            "git reset",
            "git reset --hard",
            "git rm x",
            "/usr/bin/git reset",
            "git -C d reset",
            "git -c a=b reset",
            "git --git-dir d reset",
            "git --no-pager reset",
            "git push --force",
            "git push -f",
            "git push origin x -f",
            "git push --force-with-lease",
            "git push origin +x",
            "git push origin :x",
            "git push --delete origin x",
            "git push -d origin x",
            "git push --mirror",
            "git push -uf origin x",
            "git clean -f",
            "git clean -fdx",
            "git clean --force -d",
            "git branch -D x",
            "git branch --delete --force x",
            "git branch -f x y",
            "git branch -M x",
            "git checkout -- .",
            "git checkout -- x",
            "git checkout .",
            "git checkout HEAD -- x",
            "git checkout -f",
            "git checkout -B x",
            "git switch --discard-changes x",
            "git switch -C x",
            "git restore x",
            "git stash drop",
            "git stash clear",
            "git reflog expire --all",
            "git filter-branch x",
            "git -c alias.x=reset x",
            "git worktree remove --force x",
        ],
        true,
    );
    check(
        &[
            "git",
            "git status",
            "git log reset",
            "git add .",
            "git commit -m reset",
            "git push",
            "git push origin main",
            "git push -u origin x",
            "git clean -n",
            "git branch",
            "git branch x",
            "git branch -d x",
            "git branch -a",
            "git checkout main",
            "git checkout -b x",
            "git switch x",
            "git stash",
            "git stash pop",
            "git reflog",
            "git diff --force",
            "git -c user.name=x commit",
            "git fetch -f",
            "digit reset",
        ],
        false,
    );
}

#[test]
fn a_command_that_runs_another_is_judged_by_that() {
    check(
        &[
            "sudo rm -rf x",
            "sudo -u x rm -rf y",
            "sudo git reset",
            "sudo sudo rm -f x",
            "doas rm -f x",
            "env rm -rf x",
            "env A=b rm -rf x",
            "env -i rm -rf x",
            "xargs rm -rf",
            "xargs -0 -n 1 rm -rf",
            "nohup rm -rf x",
            "time rm -rf x",
            "timeout 5 rm -rf x",
            "nice -n 5 rm -rf x",
            "command rm -rf x",
            "exec rm -rf x",
            "sudo env A=b xargs rm -r",
            "sudo dd of=x",
            "sudo -n mkfs.xfs x",
            "eval rm -rf x",
            "busybox rm -rf x",
            "sudo -E git push --force",
            "timeout 9 git clean -fd",
        ],
        true,
    );
    check(
        &[
            "sudo",
            "sudo ls",
            "sudo -u x ls",
            "env",
            "env A=b",
            "env A=b ls",
            "xargs",
            "xargs -n 1 grep x",
            "xargs rm",
            "timeout 5 ls -rf",
            "sudo git status",
            "sudo rm x",
            "nohup cargo test",
        ],
        false,
    );
}

#[test]
fn shells_within_and_without() {
    for words in [
        &["bash", "-c", "rm -rf x"][..],
        &["/opt/bash", "-lc", "ls && sudo rm -rf x"],
        &["bash", "-euo", "pipefail", "-c", "rm -rf x"],
        &["bash", "-x", "-c", "rm -rf x"],
        &["dash", "-c", "rm -rf x"],
        &["sudo", "bash", "-c", "rm -rf x"],
        &["bash", "-lc", "bash -c 'git reset --hard'"],
        &["env", "A=b", "sh", "-c", "cd x && rm -rf y"],
        &["find", ".", "-exec", "sh", "-c", "rm -rf \"$1\"", "{}", ";"],
        &["git", "-c", "alias.x=!rm -rf /", "x"],
        &["git", "-c", "core.pager=rm -rf /", "log"],
    ] {
        assert!(might_be_dangerous(&argv(words)), "{words:?}");
    }
    assert!(!might_be_dangerous(&argv(&["bash", "-lc", "bash -c 'git status'"])));
    assert!(!might_be_dangerous(&argv(&["bash", "build.sh"])));
    assert!(!might_be_dangerous(&argv(&["bash"])));
}

#[test]
fn a_script_that_cannot_be_read_is_looked_through() {
    let check = |text: &str, dangerous| {
        assert_eq!(might_be_dangerous(&script(text)), dangerous, "{text}");
    };
    for text in [
        "rm -rf *",
        "rm -rf $X",
        "(rm -rf x)",
        "X=1 rm -rf x",
        "! rm -rf x",
        "if true; then rm -rf x; fi",
        "$(rm -rf x)",
        "`rm -rf x`",
        "rm -rf x > f",
        "rm -rf x &",
        "r\\m -rf *",
        "'rm' -rf *",
        "X=rm; $X -rf y",
        "rm${IFS}-rf *",
        "{rm,-rf,x}",
        "rm \\\n  -rf *",
        "find . -delete > f",
        "git push --force $X",
        "git reset *",
        "git clean -fd > f",
        "dd if=a of=b &",
        "mkfs.ext4 $X",
        "for f in *; do rm -f $f; done",
        "f() { rm -rf x; }",
        "x <<E\nrm -rf y\nE",
        "ls\t&& rm\t-rf \"$X\"",
        "rm -rf 'unfinished",
    ] {
        check(text, true);
    }
    for text in [
        "echo $X",
        "ls *",
        "rm *.o",
        "cargo test 2>&1 | tail",
        "git log $X",
        "git commit -m \"$X\"",
        "for f in *; do cat $f; done",
        "cat > a.html <<E\n<dl><dt>x</dt><dd>y</dd></dl>\nE",
        "(ls)",
        "dd --version > f",
    ] {
        check(text, false);
    }
}

#[test]
fn the_table_of_subcommands_has_no_row_without_effect() {
    let provoking = ["-f", "-d", "-D", "-B", "-C", "--", "drop", "expire"];
    for subcommand in GIT_SUBCOMMANDS {
        assert!(destroys_in_git(subcommand, &provoking), "{subcommand}");
    }
}

proptest! {
    #[test]
    fn danger_in_a_list_is_danger_whatever_is_around_it(
        before in "[a-z '$>(&;-]{0,20}",
        after in "[a-z '$>(&;-]{0,20}",
    ) {
        let text = format!("{before}\nrm -rf x\n{after}");
        // An open quote before it makes it one word of an argument.
        let quoted = before.matches('\'').count() % 2 == 1;
        prop_assert!(quoted || might_be_dangerous(&script(&text)), "{}", text);
    }
}
