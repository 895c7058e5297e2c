//! The agent as it runs: does what [`crate::life`] decides, and tells it what happens.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klamm_agent::protocol::PORT;
use klamm_net::Listener;
use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::children::{self, Child, Children, Ended};
use crate::disk::{Content, Disks, remove_remnants};
use crate::kafka::Places;
use crate::life::{Action, Formatting, Health, Life};
use crate::output::{is_error, pass_on};
use crate::readiness::Readiness;
use crate::recovery::Recovery;
use crate::shared::{Shared, tell};
use crate::{http, socket};

/// Between two looks at the disks, the certificate and the grace time.
const TICK: Duration = Duration::from_secs(1);
/// Between two questions whether Kafka is ready while somebody may be waiting for it.
const ASK_WHILE_STARTING: Duration = Duration::from_millis(500);
/// And from when it was ready on: three misses in a row take 6 s if they are refusals, 15 s if there is no answer.
const ASK_WHILE_READY: Duration = Duration::from_secs(2);
/// For the last words of a child that has ended; grandchildren may hold its output open for ever.
const LAST_WORDS_TIME: Duration = Duration::from_secs(2);

/// Runs until Kafka has ended, or until the agent is asked to end when there is none. Gives the program's code.
///
/// # Errors
/// It cannot begin: a sentence.
pub async fn run(places: Places, listen: Option<SocketAddr>) -> Result<u8, String> {
    let config = places.config()?;
    let mut signals = Signals::new().map_err(|error| format!("cannot take signals: {error}"))?;
    let children = Children::new().map_err(|error| format!("cannot have children: {error}"))?;
    let shared = Arc::new(Shared::new(config));
    shared.read_certificate(&places.tls_dir);
    let unix = socket::bind(&places.run_dir);
    let unix =
        unix.map_err(|error| format!("{}: {error}", socket::path(&places.run_dir).display()))?;
    let listener = bind(listen)?;
    tokio::spawn(socket::serve(unix, shared.clone()));
    let mut agent = Agent { places, shared, children, running: BTreeMap::new() };
    // Before anybody can ask or permit.
    agent.look().await;
    tokio::spawn(http::serve(listener, agent.shared.clone()));
    tokio::spawn(watch(agent.shared.clone()));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while let Some(action) = agent.shared.life(|life, _| life.poll_action()) {
            if let Action::Exit(code) = action {
                return Ok(code);
            }
            agent.act(action).await;
        }
        tokio::select! {
            () = agent.children.changed() => agent.reap().await,
            signal = signals.next() => agent.signal(signal),
            _ = tick.tick() => agent.tick().await,
            () = agent.shared.wake.notified() => {}
        }
    }
}

/// On every address, of both families where there are two.
fn bind(given: Option<SocketAddr>) -> Result<Listener, String> {
    let listen = |address| Listener::bind("the agent", address, http::options());
    let any = || {
        listen((Ipv6Addr::UNSPECIFIED, PORT).into())
            .or_else(|_| listen((Ipv4Addr::UNSPECIFIED, PORT).into()))
    };
    let bound = given.map_or_else(any, listen);
    bound.map_err(|error| error.to_string())
}

/// Asks Kafka whether it is ready for as long as it runs.
async fn watch(shared: Arc<Shared>) {
    let mut readiness = Readiness::new(&shared.config);
    let mut pause = ASK_WHILE_STARTING;
    let mut with = None;
    loop {
        tokio::time::sleep(pause).await;
        let (runs, stops, was_ready) =
            shared.life(|life, _| (life.is_running(), life.is_stopping(), life.was_ready()));
        pause = if was_ready || stops { ASK_WHILE_READY } else { ASK_WHILE_STARTING };
        if let (true, Some(tls)) = (stops, shared.tls()) {
            let controllers = readiness.controllers(&tls.kafka).await;
            shared.life(|life, now_ms| life.handle_controllers(controllers, now_ms));
            shared.wake.notify_one();
        }
        if !runs {
            continue;
        }
        let asked = match shared.tls() {
            Some(tls) => {
                // A connection that is kept says nothing of those that others cannot make any more.
                if !with.as_ref().is_some_and(|with| Arc::ptr_eq(with, &tls.server)) {
                    readiness.hang_up();
                    with = Some(tls.server.clone());
                }
                readiness.check(&tls.kafka).await
            }
            None => Err("there is no certificate to ask with".into()),
        };
        let health = if asked.is_ok() { Health::Ready } else { Health::NotReady };
        shared.note_not_ready(asked.err().unwrap_or_default());
        shared.life(|life, now_ms| life.handle_health(health, now_ms));
    }
}

struct Agent {
    places: Places,
    shared: Arc<Shared>,
    children: Children,
    /// At most one: Kafka or its tool.
    running: BTreeMap<u32, Running>,
}

/// A child of ours. All others are orphans.
struct Running {
    is_kafka: bool,
    outputs: Vec<oneshot::Receiver<()>>,
    last: Arc<Mutex<String>>,
}

impl Agent {
    async fn act(&mut self, action: Action) {
        match action {
            Action::Format(run) => self.format(&run).await,
            Action::Start(rack) => self.start(rack.as_deref()),
            Action::Mark(marker) => {
                if let Err(error) = marker.write(&self.shared.config.metadata_dir) {
                    let words = format!(
                        "cannot mark the disk, so the next start waits for the operator: {error}"
                    );
                    tell(&words);
                    self.shared.life(|life, _| life.handle_said(&words));
                }
            }
            Action::Kill => {
                tell(
                    "no controller lets Kafka go: it is killed, and reads its logs at its next start",
                );
                self.send(Signal::KILL);
            }
            Action::Exit(_) => {}
        }
    }

    fn send(&self, signal: Signal) {
        for (pid, _) in self.running.iter().filter(|(_, child)| child.is_kafka) {
            children::send(*pid, signal);
        }
    }

    async fn format(&mut self, run: &Formatting) {
        let disks = self.read_disks().await;
        if let Err(why) = self.begin_format(run, &disks) {
            self.shared.life(|life, now_ms| life.handle_formatted(Err(why), disks, now_ms));
        }
    }

    fn begin_format(&mut self, run: &Formatting, disks: &Disks) -> Result<(), String> {
        if !self.shared.life(|life, _| life.disks() == disks) {
            return Err("the disks are not what they were when formatting was permitted".into());
        }
        for dir in disks.dirs.iter().filter(|dir| dir.content == Content::Empty) {
            remove_remnants(&dir.path)
                .map_err(|error| format!("cannot clear {}: {error}", dir.path.display()))?;
        }
        let properties = self.places.render(None)?;
        let command = self.places.format(&self.shared.config, run, &properties);
        self.spawn(command, false).map(|_| ())
    }

    fn start(&mut self, rack: Option<&str>) {
        // Before Kafka reads the files: if they change between, it is told once too often to load them.
        self.shared.read_certificate(&self.places.tls_dir);
        let mounted = self.shared.mounted();
        let joined = self.shared.join_listeners();
        let started = joined.and_then(|()| self.places.render(rack)).and_then(|properties| {
            self.spawn(self.places.start(&self.shared.config, &properties), true)
        });
        if started.is_ok() {
            self.shared.note_listeners_started();
        }
        self.shared.life(|life, now_ms| match started {
            Ok(pid) => life.handle_started(pid, mounted, now_ms),
            Err(why) => life.handle_not_started(why, now_ms),
        });
    }

    fn spawn(&mut self, mut command: Command, is_kafka: bool) -> Result<u32, String> {
        let Child { pid, stdout, stderr } = self.children.spawn(&mut command)?;
        let last = Arc::new(Mutex::new(String::new()));
        let hear = || listen(self.shared.clone(), is_kafka, last.clone());
        let no_thread = |error| format!("no thread for the output of Kafka: {error}");
        let outputs = [
            pass_on("stdout", stdout, std::io::stdout(), hear()),
            pass_on("stderr", stderr, std::io::stderr(), hear()),
        ];
        // Without ears it would run into a full pipe; it ends, and that is told in its turn.
        let outputs: Result<Vec<_>, _> = outputs.into_iter().collect();
        if outputs.is_err() {
            children::send(pid, Signal::KILL);
        }
        let outputs = outputs.map_err(no_thread)?;
        self.running.insert(pid, Running { is_kafka, outputs, last });
        Ok(pid)
    }

    async fn reap(&mut self) {
        while let Some(ended) = self.children.reap() {
            if let Some(child) = self.running.remove(&ended.pid) {
                self.ended(ended, child).await;
            }
        }
    }

    async fn ended(&mut self, ended: Ended, child: Running) {
        let words = async {
            for output in child.outputs {
                // The thread is gone when it cannot say so.
                let _ = output.await;
            }
        };
        // Otherwise they are lost, and only they.
        let _ = tokio::time::timeout(LAST_WORDS_TIME, words).await;
        if child.is_kafka {
            tell(&format!("Kafka has ended with code {}", ended.code));
            self.shared.life(|life, now_ms| life.handle_ended(ended.code, now_ms));
            return;
        }
        let last = child.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let result = match ended.code {
            0 => Ok(()),
            code => Err(format!("formatting ended with code {code}: {last}")),
        };
        let disks = self.read_disks().await;
        self.shared.life(|life, now_ms| life.handle_formatted(result, disks, now_ms));
    }

    /// Kafka gets every signal; Java answers QUIT with a list of its threads and ends by the others.
    fn signal(&mut self, signal: Signal) {
        self.send(signal);
        if signal != Signal::QUIT {
            self.shared.life(Life::handle_end_asked);
        }
    }

    async fn tick(&mut self) {
        self.shared.read_certificate(&self.places.tls_dir);
        // What cannot be used was told of, and Kafka goes on with what it has.
        let _ = self.shared.join_listeners();
        if self.shared.life(|life, _| life.is_idle()) {
            self.look().await;
        }
        self.shared.life(Life::handle_tick);
    }

    async fn look(&self) {
        let disks = self.read_disks().await;
        self.shared.life(|life, now_ms| life.handle_disks(disks, now_ms));
    }

    /// On another thread: a disk may take long to answer.
    async fn read_disks(&self) -> Disks {
        let shared = self.shared.clone();
        let reading = tokio::task::spawn_blocking(move || Disks::read(&shared.config));
        reading.await.unwrap_or_default()
    }
}

fn listen(
    shared: Arc<Shared>,
    is_kafka: bool,
    last: Arc<Mutex<String>>,
) -> impl FnMut(&str) + Send + 'static {
    let mut recovery = Recovery::default();
    move |line| {
        if !is_kafka {
            if !line.is_empty() {
                line.clone_into(&mut last.lock().unwrap_or_else(PoisonError::into_inner));
            }
            return;
        }
        if let Some(logs_left) = recovery.handle_line(line) {
            shared.life(|life, now_ms| life.handle_logs_left(logs_left, now_ms));
        }
        if is_error(line) {
            shared.life(|life, _| life.handle_said(line));
        }
    }
}

/// The signals that are taken.
struct Signals {
    term: unix::Signal,
    int: unix::Signal,
    hup: unix::Signal,
    quit: unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: unix::signal(SignalKind::terminate())?,
            int: unix::signal(SignalKind::interrupt())?,
            hup: unix::signal(SignalKind::hangup())?,
            quit: unix::signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::TERM,
            _ = self.int.recv() => Signal::INT,
            _ = self.hup.recv() => Signal::HUP,
            _ = self.quit.recv() => Signal::QUIT,
        }
    }
}
