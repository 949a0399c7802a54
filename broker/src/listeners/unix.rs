use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// A listening Unix socket; its file goes with it.
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file: what somebody else put in its place since is left alone.
    file: (u64, u64),
}

impl UnixSocket {
    /// Binds to `path`. A socket file that nobody listens on any more is replaced; anything else at the path stays, and
    /// is an error.
    pub(crate) fn bind(path: &Path, mode: u32, backlog: i32) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Before it listens nobody can connect, so at no time is it more open than it should be.
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        let file = identity(path)?;
        socket.listen(backlog)?;
        Ok(UnixSocket { listener: UnixListener::from_std(socket.into())?, path: path.to_owned(), file })
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // What stays behind is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            let what = "something that is not a socket stands there: move it away or choose another path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        Ok(_) => {}
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_stale_file_is_replaced_and_anything_else_stays() {
        let folder = std::env::temp_dir().join(format!("tidegate-unix-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("mqtt.sock");

        let stale = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        stale.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        drop(stale);
        let socket = UnixSocket::bind(&path, 0o600, 8).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(UnixSocket::bind(&path, 0o600, 8).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(socket);
        assert!(!path.exists(), "its file goes with it");

        fs::write(&path, "a person's file").unwrap();
        assert_eq!(UnixSocket::bind(&path, 0o600, 8).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a person's file");
        fs::remove_dir_all(&folder).unwrap();
    }
}
