//! Small disks: an ext4 file system in a file, on a loop device. They need root.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::tool;

/// Lets tests that need root pass without being run, for a `make test` of a user without privileges.
const OPT_OUT: &str = "TIDEGATE_TESTS_WITHOUT_ROOT";

/// A mounted file system of its own. It is unmounted when the test ends.
pub struct Disk {
    folder: TempDir,
    device: String,
}

impl Disk {
    /// Makes one of so many MiB. `None` when the user opted out of what needs root; that is printed.
    ///
    /// # Panics
    /// When it cannot be made; the message says what is needed.
    pub async fn new(mebibytes: u64) -> Option<Disk> {
        if std::env::var_os(OPT_OUT).is_some() {
            println!("SKIPPED, {OPT_OUT} is set: this test mounts a file system, which needs root");
            return None;
        }
        let user = tool::run("id", &["-u"]).await;
        assert!(user.trim() == "0", "this test mounts a file system: run it as root, or set {OPT_OUT}=1 to skip it");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let image = folder.path().join("image");
        let file = std::fs::File::create(&image).expect("the image can be made");
        file.set_len(mebibytes << 20).expect("the image can be made");
        tool::run("mkfs.ext4", &["-q", "-F", "-m", "0", text(&image)]).await;
        Some(Disk::mount(folder).await)
    }

    async fn mount(folder: TempDir) -> Disk {
        let (image, point) = (folder.path().join("image"), folder.path().join("mounted"));
        std::fs::create_dir_all(&point).expect("the mount point can be made");
        let device = tool::run("losetup", &["--find", "--show", text(&image)]).await.trim().to_owned();
        let disk = Disk { folder, device };
        tool::run("mount", &["-t", "ext4", &disk.device, text(&point)]).await;
        disk
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Takes all of it but `left_bytes`, as another program would; gives the file that does, which frees it when it is removed.
    ///
    /// # Panics
    /// When it cannot be filled.
    pub async fn fill(&self, left_bytes: u64) -> PathBuf {
        let free = tool::run("stat", &["-f", "-c", "%a %S", text(&self.path())]).await;
        let free: Vec<u64> = free.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let bytes = (free[0] * free[1]).saturating_sub(left_bytes).to_string();
        let file = self.path().join("of somebody else");
        tool::run("fallocate", &["-l", &bytes, text(&file)]).await;
        file
    }

    /// The disk as a power cut would leave it now: what is on the device, without what only the page cache has. Nobody
    /// may be writing to it by system calls; what the kernel writes back meanwhile makes the copy be taken again.
    ///
    /// # Panics
    /// When it never keeps still.
    pub async fn after_power_cut(&self) -> Disk {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = folder.path().join("image");
        for _ in 0..100 {
            let before = self.writes();
            tool::run("cp", &["--sparse=always", text(&self.folder.path().join("image")), text(&copy)]).await;
            if self.writes() == before {
                return Disk::mount(folder).await;
            }
        }
        panic!("the kernel wrote to {} during every copy", self.device);
    }

    /// Writes and flushes the device has seen, and requests under way (Documentation/block/stat.rst of the kernel).
    fn writes(&self) -> Vec<String> {
        let name = self.device.trim_start_matches("/dev/");
        let stat = std::fs::read_to_string(format!("/sys/block/{name}/stat")).expect("the kernel counts");
        let fields: Vec<&str> = stat.split_whitespace().collect();
        [4, 6, 8, 15].iter().filter_map(|place| fields.get(*place)).map(ToString::to_string).collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let run = |program: &str, arguments: &[&str]| std::process::Command::new(program).args(arguments).status();
        // Lazily: whoever still has a file open keeps it until then.
        let _ = run("umount", &["--lazy", text(&self.path())]);
        let _ = run("losetup", &["--detach", &self.device]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
