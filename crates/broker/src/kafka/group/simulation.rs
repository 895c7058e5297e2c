//! Members that come, go, crash and fall silent in the order a seed gives, against the invariants of a group.

use std::collections::BTreeMap;

use klamm_kafka_proto::messages::join_group::{JoinGroupProtocol, JoinGroupRequest};
use klamm_kafka_proto::messages::sync_group::{SyncGroupAssignment, SyncGroupRequest};
use proptest::prelude::*;

use super::*;

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 30_000;
const STEP_MS: i64 = 500;

/// What a client knows of itself.
#[derive(Debug, Clone, Default)]
struct Client {
    instance: Option<String>,
    member_id: String,
    generation: i32,
    /// Members as the leader saw them; empty for a follower.
    to_assign: Vec<String>,
    assignment: Option<Bytes>,
    /// The request that it waits for.
    waits: Option<u64>,
    wants_sync: bool,
}

struct World {
    group: Group<u64>,
    clients: BTreeMap<u32, Client>,
    owners: BTreeMap<u64, u32>,
    now_ms: i64,
    next: u64,
    last_generation: i32,
    /// Stores on their way: generation and whether they will succeed.
    stores: Vec<i32>,
    /// `(generation, members)` of the last assignment that a leader was asked for.
    assigned: (i32, Vec<String>),
}

#[derive(Debug, Clone)]
enum Event {
    Start {
        static_member: bool,
    },
    Crash(u8),
    Leave(u8),
    /// A static member's process is replaced by another.
    Restart(u8),
    /// The log tells the outcome of a store.
    Stored {
        good: bool,
    },
    Pass(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any::<bool>().prop_map(|static_member| Event::Start { static_member }),
        2 => any::<u8>().prop_map(Event::Crash),
        2 => any::<u8>().prop_map(Event::Leave),
        1 => any::<u8>().prop_map(Event::Restart),
        6 => prop::bool::weighted(0.9).prop_map(|good| Event::Stored { good }),
        10 => (1..20_u8).prop_map(Event::Pass),
    ]
}

impl World {
    fn new() -> Self {
        Self {
            group: Group::new(0, 50),
            clients: BTreeMap::new(),
            owners: BTreeMap::new(),
            now_ms: 0,
            next: 0,
            last_generation: 0,
            stores: Vec::new(),
            assigned: (0, Vec::new()),
        }
    }

    fn pick(&self, choice: u8) -> Option<u32> {
        let keys: Vec<u32> = self.clients.keys().copied().collect();
        (!keys.is_empty()).then(|| keys[usize::from(choice) % keys.len()])
    }

    fn handle(&mut self, event: &Event) {
        match event {
            Event::Start { static_member } => self.start(*static_member),
            Event::Crash(choice) => {
                let gone = self.pick(*choice);
                gone.map(|key| self.clients.remove(&key));
            }
            Event::Leave(choice) => {
                let Some(client) = self.pick(*choice).and_then(|key| self.clients.remove(&key))
                else {
                    return;
                };
                let instance = client.instance.as_deref();
                self.group.handle_leave(self.now_ms, &client.member_id, instance);
                self.settle();
            }
            Event::Restart(choice) => {
                let Some(key) = self.pick(*choice) else { return };
                let client = self.clients.get_mut(&key).unwrap();
                let instance = client.instance.take();
                *client = Client { instance, ..Client::default() };
            }
            Event::Stored { good } => {
                if !self.stores.is_empty() {
                    let generation = self.stores.remove(0);
                    self.group.handle_stored(self.now_ms, generation, *good);
                    self.settle();
                }
            }
            Event::Pass(steps) => (0..*steps).for_each(|_| self.step()),
        }
    }

    fn start(&mut self, static_member: bool) {
        let key = self.next as u32;
        self.next += 1;
        let instance = static_member.then(|| format!("instance-{key}"));
        self.clients.insert(key, Client { instance, ..Client::default() });
    }

    /// Time passes, and every client does what it would do next.
    fn step(&mut self) {
        self.now_ms += STEP_MS;
        self.group.handle_time(self.now_ms);
        self.settle();
        let keys: Vec<u32> = self.clients.keys().copied().collect();
        for key in keys {
            self.act(key);
            self.settle();
        }
        let overdue = self.group.poll_deadline().is_some_and(|deadline| deadline <= self.now_ms);
        assert!(!overdue, "a deadline that passed was handled");
    }

    fn act(&mut self, key: u32) {
        let client = self.clients[&key].clone();
        if client.waits.is_some() {
            return;
        }
        self.next += 1;
        let asked = self.next;
        if client.generation == 0 {
            self.owners.insert(asked, key);
            self.clients.get_mut(&key).unwrap().waits = Some(asked);
            self.join(&client, asked);
        } else if client.wants_sync {
            self.owners.insert(asked, key);
            self.clients.get_mut(&key).unwrap().waits = Some(asked);
            self.sync(&client, asked);
        } else {
            let instance = client.instance.as_deref();
            let told = self.group.handle_heartbeat(
                self.now_ms,
                &client.member_id,
                instance,
                client.generation,
            );
            let me = self.clients.get_mut(&key).unwrap();
            match told {
                ErrorCode::None => {}
                ErrorCode::RebalanceInProgress => me.generation = 0,
                _ => *me = Client { instance: me.instance.take(), ..Client::default() },
            }
        }
    }

    fn join(&mut self, client: &Client, asked: u64) {
        let request = JoinGroupRequest {
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            member_id: client.member_id.as_str().into(),
            group_instance_id: client.instance.as_deref().map(Into::into),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupProtocol { name: "range".into(), metadata: Bytes::new() }],
            ..Default::default()
        };
        let joiner = Joiner {
            request: &request,
            version: 9,
            client_id: "c",
            client_host: "/h",
            new_member_id: format!("member-{asked}").into(),
        };
        self.group.handle_join(self.now_ms, &joiner, asked);
    }

    fn sync(&mut self, client: &Client, asked: u64) {
        let assignment = |id: &String| SyncGroupAssignment {
            member_id: id.as_str().into(),
            assignment: format!("{}:{id}", client.generation).into(),
        };
        let request = SyncGroupRequest {
            generation_id: client.generation,
            member_id: client.member_id.as_str().into(),
            group_instance_id: client.instance.as_deref().map(Into::into),
            assignments: client.to_assign.iter().map(assignment).collect(),
            ..Default::default()
        };
        self.group.handle_sync(self.now_ms, &request, asked);
    }

    /// Delivers what the group says, and holds it to its invariants.
    fn settle(&mut self) {
        while let Some(output) = self.group.poll_output() {
            match output {
                Output::Store => self.stores.push(self.group.generation()),
                Output::Join(to, response) => self.joined(to, &response),
                Output::Sync(to, response) => self.synced(to, &response),
            }
        }
        let generation = self.group.generation();
        assert!(generation >= self.last_generation, "generations only grow");
        self.last_generation = generation;
    }

    /// The client that asked, unless it is gone or asked again since.
    fn owner(&mut self, to: u64) -> Option<&mut Client> {
        let key = self.owners.remove(&to).expect("each request is answered once");
        self.clients.get_mut(&key).filter(|client| client.waits == Some(to))
    }

    fn joined(&mut self, to: u64, response: &JoinGroupResponse) {
        let generation = self.group.generation();
        let Some(client) = self.owner(to) else { return };
        client.waits = None;
        match ErrorCode::from_number(response.error_code).unwrap() {
            ErrorCode::None => {
                assert_eq!(response.generation_id, generation, "one generation at a time");
                client.generation = response.generation_id;
                client.member_id = response.member_id.to_string();
                let members = response.members.iter().map(|m| m.member_id.to_string());
                client.to_assign = match response.skip_assignment {
                    false => members.collect(),
                    true => Vec::new(),
                };
                client.wants_sync = true;
            }
            ErrorCode::MemberIdRequired => client.member_id = response.member_id.to_string(),
            ErrorCode::RebalanceInProgress => {}
            _ => client.member_id.clear(),
        }
        if !client.to_assign.is_empty() && client.wants_sync {
            self.assigned = (response.generation_id, client.to_assign.clone());
        }
    }

    fn synced(&mut self, to: u64, response: &SyncGroupResponse) {
        let generation = self.group.generation();
        let assigned = self.assigned.clone();
        let Some(client) = self.owner(to) else { return };
        client.waits = None;
        client.wants_sync = false;
        match ErrorCode::from_number(response.error_code).unwrap() {
            ErrorCode::None => {
                assert_eq!(client.generation, generation, "assigned in the running generation");
                if assigned.1.contains(&client.member_id) && assigned.0 == generation {
                    let expected = format!("{generation}:{}", client.member_id);
                    assert_eq!(response.assignment, expected, "everyone gets its own part");
                }
                client.assignment = Some(response.assignment.clone());
            }
            ErrorCode::RebalanceInProgress | ErrorCode::CoordinatorNotAvailable => {
                client.generation = 0;
            }
            _ => *client = Client { instance: client.instance.take(), ..Client::default() },
        }
    }

    /// Nothing disturbs the group any more: it must come to rest with exactly the clients that live.
    fn converge(&mut self) {
        for _ in 0..(4 * i64::from(REBALANCE_MS) / STEP_MS) {
            self.handle(&Event::Stored { good: true });
            self.step();
        }
        while !self.stores.is_empty() {
            self.handle(&Event::Stored { good: true });
        }
        self.step();
        let living: Vec<&str> = {
            let mut ids: Vec<&str> = self.clients.values().map(|c| &*c.member_id).collect();
            ids.sort_unstable();
            ids
        };
        let members: Vec<&str> = self.group.members().keys().map(|id| &**id).collect();
        assert_eq!(members, living, "no member lost, none left over");
        let expected = if living.is_empty() { State::Empty } else { State::Stable };
        assert_eq!(self.group.state(), expected);
        for client in self.clients.values() {
            assert_eq!(client.generation, self.group.generation());
            assert!(client.assignment.is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_events_keeps_the_invariants_and_converges(
        events in proptest::collection::vec(event(), 1..120),
    ) {
        let mut world = World::new();
        for event in &events {
            world.handle(event);
        }
        world.converge();
    }
}
