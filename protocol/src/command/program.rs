//! Which program a command starts, and the script if it is a shell.

/// Where programs live that came with the system. A bare name is looked up by the system as well; any other path,
/// `./ls` say, may lead to a file that was just written.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/bin", "/usr/bin", "/usr/local/bin"];

/// The program's name without its directories.
pub(super) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// The program's name, if the word can only mean a program of the system.
pub(super) fn system_name(program: &str) -> Option<&str> {
    match program.rsplit_once('/') {
        None => Some(program),
        Some((directory, name)) => SYSTEM_DIRECTORIES.contains(&directory).then_some(name),
    }
}

/// The script of `bash -lc SCRIPT` and its like, wherever that shell lives.
pub(super) fn shell_script(argv: &[String]) -> Option<&str> {
    let [shell, flag, script] = argv else {
        return None;
    };
    let is_shell = matches!(base_name(shell), "bash" | "zsh" | "sh");
    (is_shell && matches!(flag.as_str(), "-c" | "-lc")).then_some(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_system_is_trusted_to_hold_the_program_of_that_name() {
        let check = |program, expected| assert_eq!(system_name(program), expected, "{program}");
        check("ls", Some("ls"));
        check("/bin/ls", Some("ls"));
        check("/usr/bin/ls", Some("ls"));
        check("/usr/local/bin/ls", Some("ls"));
        for program in
            ["./ls", "/ls", "bin/ls", "/tmp/ls", "/usr/bin/../../tmp/ls", "/tmp/bin/ls", "~/ls", "/usr/bin//ls"]
        {
            check(program, None);
        }
    }

    #[test]
    fn the_script_of_a_shell() {
        let check = |argv: &[&str], expected| {
            let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
            assert_eq!(shell_script(&argv), expected, "{argv:?}");
        };
        check(&["bash", "-lc", "ls"], Some("ls"));
        check(&["/bin/zsh", "-c", "ls"], Some("ls"));
        check(&["/nix/store/x/bin/sh", "-lc", "ls"], Some("ls"));
        check(&["bash", "ls"], None);
        check(&["bash", "-x", "ls"], None);
        check(&["bash", "-lc", "ls", "name"], None);
        check(&["fish", "-c", "ls"], None);
    }
}
