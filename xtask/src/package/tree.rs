//! What is in the package: each file with its place and its rights, and what dpkg is told about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Moment, answer, command};

const PROGRAM: u32 = 0o755;
const TEXT: u32 = 0o644;

/// Written by the program itself: place below its reference, place in the package.
const GENERATED: [(&str, &str); 5] = [
    ("man/gatepost.1", "usr/share/man/man1/gatepost.1"),
    ("man/gatepost.toml.5", "usr/share/man/man5/gatepost.toml.5"),
    (
        "completions/gatepost.bash",
        "usr/share/bash-completion/completions/gatepost",
    ),
    (
        "completions/_gatepost",
        "usr/share/zsh/vendor-completions/_gatepost",
    ),
    (
        "completions/gatepost.fish",
        "usr/share/fish/vendor_completions.d/gatepost.fish",
    ),
];

/// From the sources: place in the workspace, place in the package.
const KEPT: [(&str, &str); 2] = [
    (
        "packaging/systemd/gatepost.service",
        "usr/lib/systemd/system/gatepost.service",
    ),
    (
        "packaging/sysusers/gatepost.conf",
        "usr/lib/sysusers.d/gatepost.conf",
    ),
];

/// Debian's policy wants these compressed.
const COMPRESSED: [&str; 4] = [
    "usr/share/man/man1/gatepost.1",
    "usr/share/man/man5/gatepost.toml.5",
    "usr/share/doc/gatepost/changelog",
    "usr/share/doc/gatepost/changelog.Debian",
];

/// The tree that dpkg-deb packs, and scratch beside it.
pub(super) struct Tree {
    work: PathBuf,
    root: PathBuf,
}

impl Tree {
    /// Makes `work` anew and everything in it but what dpkg is told.
    pub(super) fn lay_out(
        work: &Path,
        binary: &Path,
        version: &str,
        maintainer: &str,
        moment: &Moment,
    ) -> Result<Self, String> {
        if work.exists() {
            std::fs::remove_dir_all(work).map_err(|e| format!("{}: {e}", work.display()))?;
        }
        let tree = Self {
            work: work.to_owned(),
            root: work.join("root"),
        };
        let reference = work.join("reference");
        command(
            Command::new(binary)
                .args(["reference", "--date", &moment.day])
                .arg(&reference),
        )?;
        for (from, to) in GENERATED {
            tree.copy(&reference.join(from), to, TEXT)?;
        }
        for (from, to) in KEPT {
            tree.copy(Path::new(from), to, TEXT)?;
        }
        tree.copy_examples()?;
        tree.copy_program(binary)?;
        tree.copy(
            Path::new("CHANGELOG.md"),
            "usr/share/doc/gatepost/changelog",
            TEXT,
        )?;
        tree.write(
            "usr/share/doc/gatepost/changelog.Debian",
            &debian_changelog(version, maintainer, moment),
            TEXT,
        )?;
        tree.write("usr/share/doc/gatepost/copyright", &copyright()?, TEXT)?;
        for place in COMPRESSED {
            command(
                Command::new("gzip")
                    .args(["-9", "--no-name"])
                    .arg(tree.root.join(place)),
            )?;
        }
        Ok(tree)
    }

    /// What becomes `/`.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Adds what dpkg is told: dependencies, scripts, checksums.
    pub(super) fn write_control(
        &self,
        version: &str,
        architecture: &str,
        maintainer: &str,
    ) -> Result<(), String> {
        let control = read(Path::new("packaging/deb/control"))?
            .replace("@VERSION@", version)
            .replace("@ARCHITECTURE@", architecture)
            .replace("@MAINTAINER@", maintainer)
            .replace("@INSTALLED_SIZE@", &self.kibibytes()?)
            .replace("@SHARED_LIBRARIES@", &self.shared_libraries()?);
        let files = answer(
            Command::new("sh")
                .args(["-c", "find usr -type f | LC_ALL=C sort | xargs md5sum"])
                .current_dir(&self.root),
        )?;
        self.write("DEBIAN/control", &control, TEXT)?;
        self.write("DEBIAN/md5sums", &format!("{files}\n"), TEXT)?;
        for script in ["postinst", "prerm", "postrm"] {
            let from = Path::new("packaging/deb").join(script);
            self.copy(&from, &format!("DEBIAN/{script}"), PROGRAM)?;
        }
        Ok(())
    }

    fn copy_examples(&self) -> Result<(), String> {
        let examples = Path::new("packaging/examples");
        let fault = |e: std::io::Error| format!("{}: {e}", examples.display());
        for entry in std::fs::read_dir(examples).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let to = Path::new("usr/share/doc/gatepost/examples").join(entry.file_name());
            self.copy(&entry.path(), &to.to_string_lossy(), TEXT)?;
        }
        Ok(())
    }

    fn copy_program(&self, binary: &Path) -> Result<(), String> {
        self.copy(binary, "usr/bin/gatepost", PROGRAM)?;
        command(
            Command::new("strip")
                .args(["--strip-unneeded", "--remove-section=.comment"])
                .arg(self.root.join("usr/bin/gatepost")),
        )
    }

    /// The libraries that the program links, as dependencies.
    fn shared_libraries(&self) -> Result<String, String> {
        // dpkg-shlibdeps wants to stand in a source package.
        let source = self.work.join("source");
        let control = source.join("debian/control");
        make_parent(&control)?;
        std::fs::write(
            &control,
            "Source: gatepost\n\nPackage: gatepost\nArchitecture: any\n",
        )
        .map_err(|e| format!("{}: {e}", control.display()))?;
        let told = answer(
            Command::new("dpkg-shlibdeps")
                .args(["-O", "-e", "../root/usr/bin/gatepost"])
                .current_dir(&source),
        )?;
        told.strip_prefix("shlibs:Depends=")
            .map(str::to_owned)
            .ok_or_else(|| format!("package: dpkg-shlibdeps named no library: {told}"))
    }

    fn kibibytes(&self) -> Result<String, String> {
        let told = answer(
            Command::new("du")
                .args(["--summarize", "--apparent-size", "--block-size=1K"])
                .arg(self.root.join("usr")),
        )?;
        let size = told.split_whitespace().next().unwrap_or("0");
        Ok(size.to_owned())
    }

    fn copy(&self, from: &Path, to: &str, rights: u32) -> Result<(), String> {
        let to = self.root.join(to);
        make_parent(&to)?;
        std::fs::copy(from, &to).map_err(|e| format!("{}: {e}", from.display()))?;
        set_rights(&to, rights)
    }

    fn write(&self, to: &str, text: &str, rights: u32) -> Result<(), String> {
        let to = self.root.join(to);
        make_parent(&to)?;
        std::fs::write(&to, text).map_err(|e| format!("{}: {e}", to.display()))?;
        set_rights(&to, rights)
    }
}

fn debian_changelog(version: &str, maintainer: &str, moment: &Moment) -> String {
    format!(
        "gatepost ({version}) unstable; urgency=medium\n\n  * Package of the developers. Changes: changelog.gz beside this file.\n\n -- {maintainer}  {}\n",
        moment.rfc5322
    )
}

/// With the text of the MIT licence, indented as the format wants it.
fn copyright() -> Result<String, String> {
    let licence = read(Path::new("LICENSE-MIT"))?;
    let mut lines = Vec::new();
    for line in licence.lines().skip(2) {
        lines.push(if line.is_empty() {
            " .".into()
        } else {
            format!(" {line}")
        });
    }
    Ok(read(Path::new("packaging/deb/copyright"))?.replace("@MIT@", &lines.join("\n")))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Directories of the package are open to everyone, whatever the umask of whoever builds it.
fn make_parent(path: &Path) -> Result<(), String> {
    let Some(parent) = path.parent().filter(|parent| !parent.exists()) else {
        return Ok(());
    };
    make_parent(parent)?;
    std::fs::create_dir(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
    set_rights(parent, PROGRAM)
}

fn set_rights(path: &Path, rights: u32) -> Result<(), String> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(rights))
        .map_err(|e| format!("{}: {e}", path.display()))
}
