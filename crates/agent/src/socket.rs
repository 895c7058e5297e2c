//! Questions from within the pod, over a unix socket: probes and `state`.
//!
//! A caller writes one word and a line's end; the answer is `0` or `1`, the exit code, and text up to the end.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::shared::Shared;

/// The longest word, and a line's end.
const WORD_BYTES: u64 = 8;
/// For a caller to ask and to take the answer. Callers wait for each other, so this bounds what one can hold up.
const ASK_TIME: Duration = Duration::from_secs(1);
/// For the agent to answer; a probe's own limit is shorter or longer as whoever configures it likes.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Where it is.
pub fn path(run_dir: &Path) -> PathBuf {
    run_dir.join("agent.sock")
}

/// Listens. The directory may hold a socket of an earlier life.
///
/// # Errors
/// The system refuses.
pub fn bind(run_dir: &Path) -> io::Result<UnixListener> {
    let path = path(run_dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}

/// Answers until the program ends.
pub async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        // Out of descriptors or memory: there is time until the next try.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ASK_TIME).await;
            continue;
        };
        // A caller that went away or is slow asks again.
        let _ = answer(stream, &shared).await;
    }
}

async fn answer(mut stream: UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut word = Vec::new();
    let mut read = read.take(WORD_BYTES);
    let asked = async {
        while !word.ends_with(b"\n") && read.read_buf(&mut word).await? > 0 {}
        io::Result::Ok(())
    };
    tokio::time::timeout(ASK_TIME, asked).await??;
    let answer = match word.as_slice() {
        b"live\n" => Ok("alive".to_owned()),
        b"ready\n" => shared.ready(),
        b"state\n" => {
            let shared = shared.clone();
            let state = tokio::task::spawn_blocking(move || shared.state()).await?;
            Ok(serde_json::to_string_pretty(&state)?)
        }
        _ => Err("there is no such question".into()),
    };
    let (code, text) = match answer {
        Ok(text) => ('0', text),
        Err(text) => ('1', text),
    };
    let text = format!("{code}{text}\n");
    tokio::time::timeout(ASK_TIME, write.write_all(text.as_bytes())).await?
}

/// Asks the agent that runs, prints what it says, and ends as it says.
pub fn ask(run_dir: &Path, word: &str) -> ExitCode {
    let ask = || -> io::Result<String> {
        let mut stream = Blocking::connect(path(run_dir))?;
        stream.set_read_timeout(Some(ANSWER_TIME))?;
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        stream.write_all(format!("{word}\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(answer) => {
            print!("{}", answer.get(1..).unwrap_or("the agent gave no answer\n"));
            if answer.starts_with('0') { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("the agent does not answer: {error}");
            ExitCode::FAILURE
        }
    }
}
