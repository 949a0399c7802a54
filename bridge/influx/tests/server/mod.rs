//! A server that takes lines as InfluxDB does, in the test's own process, and answers what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use tidegate_influx::InfluxConfig;

/// An answer as text, by the lines of the request; `None`: the connection ends without one.
type Answers = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Serves until the test ends.
pub fn serve(answers: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, answers): (_, Arc<Answers>) = (listener.local_addr().unwrap(), Arc::new(answers));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answers) = (stream.unwrap(), Arc::clone(&answers));
            std::thread::spawn(move || answer(&stream, &*answers));
        }
    });
    address
}

/// Requests of one connection.
fn answer(stream: &TcpStream, answers: &Answers) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        let mut stream = stream;
        stream.write_all(answers(&text)?.as_bytes()).ok()?;
    }
}

/// What a follower is told that writes to it.
pub fn config(folder: &Path, server: SocketAddr) -> InfluxConfig {
    let token = folder.join("token");
    std::fs::write(&token, "secret").unwrap();
    let token_file = Some(token);
    let (url, org, bucket) = (format!("http://{server}"), "o".into(), "b".into());
    InfluxConfig { url, org, bucket, token_file, ..InfluxConfig::default() }
}
