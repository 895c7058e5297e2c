//! Several contenders with clocks that differ, pauses and lost messages: at no moment do two of them lead.

use super::{Candidate, Record, Timing, Verdict};
use crate::random::Random;

/// Clocks of contenders differ in speed by up to a fifth, more than any two machines' do.
const SPEED_PERMILLE: (u64, u64) = (900, 1_100);
/// A simulated hour, in steps of 50 ms.
const STEPS: u64 = 72_000;
const STEP_MS: u64 = 50;

/// The API server: one record, written by whoever knows its version.
#[derive(Default)]
struct Server {
    record: Option<Record>,
    writes: u64,
}

impl Server {
    fn write(&mut self, holder: &str, known: Option<&str>, duration_ms: u64) -> bool {
        if self.record.as_ref().map(|record| record.version.as_str()) != known {
            return false;
        }
        self.writes += 1;
        let (holder, version) = (holder.to_owned(), self.writes.to_string());
        self.record = Some(Record { holder, duration_ms, version });
        true
    }
}

/// What a contender waits for. `arrives` and `back` are steps; an answer that is lost has none.
enum Call {
    Read { arrives: u64, back: Option<u64>, seen: Option<Option<Record>> },
    Write { id: u64, back: Option<u64>, sent_ms: u64, taken: Option<bool> },
}

/// A write on its way. It arrives whether or not somebody still waits for the answer.
struct Letter {
    id: u64,
    arrives: u64,
    from: String,
    known: Option<String>,
}

struct Process {
    candidate: Candidate,
    offset_ms: u64,
    speed_permille: u64,
    call: Option<Call>,
    /// The step at which an answer that does not come is given up.
    patience: u64,
    next: u64,
    paused_until: u64,
    born: u64,
}

impl Process {
    fn new(name: String, timing: Timing, random: &mut Random, born: u64) -> Self {
        let (slow, fast) = SPEED_PERMILLE;
        Self {
            candidate: Candidate::new(name, timing),
            offset_ms: random.range(0, 1_000_000_000),
            speed_permille: slow + random.range(0, fast - slow),
            call: None,
            patience: 0,
            next: born,
            paused_until: 0,
            born,
        }
    }

    fn now_ms(&self, step: u64) -> u64 {
        self.offset_ms + step * STEP_MS * self.speed_permille / 1_000
    }

    fn leads(&self, step: u64) -> bool {
        step >= self.paused_until && self.candidate.leads(self.now_ms(step))
    }
}

struct World {
    server: Server,
    letters: Vec<Letter>,
    sent: u64,
    processes: Vec<Process>,
    random: Random,
    timing: Timing,
    calm: bool,
    leaders_seen: std::collections::BTreeSet<String>,
}

impl World {
    fn new(seed: u64, timing: Timing) -> Self {
        let mut random = Random::new(seed);
        let processes =
            (0..3).map(|n| Process::new(format!("p{n}"), timing, &mut random, 0)).collect();
        let (server, leaders_seen) = (Server::default(), Default::default());
        let letters = Vec::new();
        Self { server, letters, sent: 0, processes, random, timing, calm: false, leaders_seen }
    }

    /// Milliseconds on the way, in steps; now and then far longer than anybody's patience.
    fn way(&mut self) -> u64 {
        if !self.calm && self.random.range(0, 50) == 0 {
            self.random.range(0, 600)
        } else {
            self.random.range(0, 4)
        }
    }

    fn lost(&mut self) -> bool {
        !self.calm && self.random.range(0, 8) == 0
    }

    fn serve(&mut self, step: u64) {
        for process in &mut self.processes {
            if let Some(Call::Read { arrives, seen, .. }) = &mut process.call
                && *arrives == step
            {
                *seen = Some(self.server.record.clone());
            }
        }
        let arrived: Vec<Letter> =
            self.letters.extract_if(.., |letter| letter.arrives == step).collect();
        for letter in arrived {
            let duration_ms = self.timing.duration_ms;
            let done = self.server.write(&letter.from, letter.known.as_deref(), duration_ms);
            for process in &mut self.processes {
                if let Some(Call::Write { id, taken, .. }) = &mut process.call
                    && *id == letter.id
                {
                    *taken = Some(done);
                }
            }
        }
    }

    fn act(&mut self, index: usize, step: u64) {
        let process = &mut self.processes[index];
        if step < process.paused_until {
            return;
        }
        let now_ms = process.now_ms(step);
        match process.call.take() {
            Some(Call::Read { back: Some(back), seen: Some(record), .. }) if back <= step => {
                let version = record.as_ref().map(|record| record.version.clone());
                match process.candidate.handle_record(record, now_ms) {
                    Verdict::Yield => self.rest(index, step),
                    Verdict::Acquire | Verdict::Renew => self.send(index, step, version, now_ms),
                }
            }
            Some(Call::Write { back: Some(back), sent_ms, taken: Some(taken), .. })
                if back <= step =>
            {
                if taken {
                    process.candidate.handle_written(sent_ms);
                }
                self.rest(index, step);
            }
            Some(call) if step < process.patience => process.call = Some(call),
            Some(_) => self.rest(index, step),
            None if step >= process.next => self.read(index, step),
            None => {}
        }
    }

    fn rest(&mut self, index: usize, step: u64) {
        let process = &mut self.processes[index];
        let leads = process.candidate.leads(process.now_ms(step));
        let pause_ms = if leads { self.timing.renew_ms } else { self.timing.look_ms };
        process.next = step + pause_ms / STEP_MS;
    }

    fn read(&mut self, index: usize, step: u64) {
        let arrives = step + 1 + self.way();
        let back = (!self.lost()).then(|| arrives + self.way());
        self.processes[index].patience = step + 100;
        self.processes[index].call = Some(Call::Read { arrives, back, seen: None });
    }

    fn send(&mut self, index: usize, step: u64, known: Option<String>, sent_ms: u64) {
        self.sent += 1;
        let id = self.sent;
        let mut back = None;
        if !self.lost() {
            let arrives = step + 1 + self.way();
            let from = self.processes[index].candidate.name().to_owned();
            self.letters.push(Letter { id, arrives, from, known });
            back = (!self.lost()).then(|| arrives + self.way());
        }
        self.processes[index].patience = step + 100;
        self.processes[index].call = Some(Call::Write { id, back, sent_ms, taken: None });
    }

    /// Processes stop for a while, and end: who comes after has another name.
    fn disturb(&mut self, step: u64) {
        let index = self.random.range(0, self.processes.len() as u64) as usize;
        if self.random.range(0, 1_000) == 0 {
            self.processes[index].paused_until = step + self.random.range(0, 1_000);
        }
        if self.random.range(0, 4_000) == 0 {
            let name = format!("p{index}-{step}");
            let process = Process::new(name, self.timing, &mut self.random, step);
            self.processes[index] = process;
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for step in 0..STEPS {
            // The last two minutes are calm.
            self.calm = step > STEPS - 2_400;
            if !self.calm {
                self.disturb(step);
            }
            self.serve(step);
            for index in 0..self.processes.len() {
                self.act(index, step);
            }
            let leaders: Vec<&Process> =
                self.processes.iter().filter(|process| process.leads(step)).collect();
            if leaders.len() > 1 {
                let names: Vec<&str> = leaders.iter().map(|p| p.candidate.name()).collect();
                return Err(format!("step {step}: {names:?} lead together"));
            }
            self.leaders_seen.extend(leaders.iter().map(|p| p.candidate.name().to_owned()));
        }
        match self.processes.iter().filter(|process| process.leads(STEPS - 1)).count() {
            1 => Ok(()),
            _ => Err("nobody leads after two calm minutes".into()),
        }
    }
}

#[test]
fn never_two_leaders_and_one_in_the_end() {
    let mut changes = 0;
    for seed in 0..200 {
        let mut world = World::new(seed, Timing::default());
        world.run().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert!(world.processes.iter().all(|process| process.born <= STEPS));
        changes += world.leaders_seen.len() - 1;
    }
    assert!(changes > 200, "leadership has to change hands for this to say something: {changes}");
}

/// A deadline as long as the duration leaves nothing for clocks that differ in speed: the simulation has to find that out.
#[test]
fn deadline_too_near_the_duration_is_found_out() {
    let timing = Timing { deadline_ms: 15_000, ..Timing::default() };
    let found = (0..200).find_map(|seed| World::new(seed, timing).run().err());
    assert!(found.is_some_and(|why| why.contains("lead together")));
}
