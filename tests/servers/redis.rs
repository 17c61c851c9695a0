//! A redis-server for one test, on a free port of the loopback interface. Used by the tests of the library and of sockets.
#![allow(dead_code)] // None of them uses all of it.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A redis-server that ends with this value.
pub struct RedisServer {
    child: Child,
    pub port: u16,
    folder: PathBuf,
    options: Vec<String>,
}

impl RedisServer {
    /// `None`, and a line that says so, if there is no redis-server on this machine. With `BAREWIRE_REDIS` in the environment
    /// there has to be one.
    pub fn start(options: &[&str]) -> Option<RedisServer> {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        // The port may be taken between the two: then nobody answers, and another is tried.
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let number = NAMES.fetch_add(1, Ordering::Relaxed);
            let name = format!("barewire-redis-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
            let Some(child) = spawn(port, &folder, &options) else {
                let is_wanted = std::env::var_os("BAREWIRE_REDIS").is_some();
                assert!(!is_wanted, "redis-server is not installed");
                eprintln!("skipped: redis-server is not installed");
                return None;
            };
            let mut server = RedisServer {
                child,
                port,
                folder,
                options,
            };
            if server.answers() {
                return Some(server);
            }
        }
        panic!("redis-server does not answer");
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same port and with what it has on disk.
    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.options).unwrap();
        assert!(self.answers(), "redis-server does not come back");
    }

    fn answers(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What redis-cli says to a command.
    pub fn cli(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let command = Command::new("redis-cli")
            .args(["-p", &port])
            .args(words)
            .output();
        let said = command.unwrap().stdout;
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

fn spawn(port: u16, folder: &std::path::Path, options: &[String]) -> Option<Child> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir", folder.to_str()?])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .ok()
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
