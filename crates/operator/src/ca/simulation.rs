//! Years of a cluster from one seed: time that jumps, an operator that is killed between writes, Secrets that get lost, nodes
//! and applications that load late, people who ask for renewals.
//!
//! At every step each node must verify each other, each user each node, and the operator all of them, with what they have
//! loaded; and after the last fault everything becomes steady. `KLAMM_SEEDS=10000 cargo test -p klamm-operator ca::simulation` runs more,
//! `KLAMM_SEED=17` one, and tells what happened.

use std::collections::BTreeMap;

use super::advance::Phase;
use super::secret::key;
use super::time::DAY_S;
use super::world::World;
use super::{Asked, Role, Secret, Wanted, What};
use crate::model::NodeId;
use crate::simulator::Random;

/// In CI; the environment asks for more.
const SEEDS: u64 = 12;
const STEPS: usize = 400;

/// A node loads its Secret within four days, an application within six: less than the graces of the default policy.
const NODE_LAG_S: u64 = 4 * DAY_S;
const USER_LAG_S: u64 = 6 * DAY_S;

struct Simulation {
    world: World,
    random: Random,
    asked: [String; 3],
    backups: BTreeMap<What, Secret>,
    /// Until then applications may not know who signs: its predecessor's key was lost, so there was no grace.
    hurried_until_s: u64,
    told: Vec<String>,
    promotions: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Takes every node to have loaded its Secret.
    TrustsTooEarly,
    /// Loses the old authority as soon as the new one signs.
    ForgetsTheOld,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nodes = random.range(1, 6) as u32;
        let users = random.range(0, 3) as usize;
        Self {
            world: World::running(nodes, users, &Wanted::default()),
            random,
            asked: Default::default(),
            backups: BTreeMap::new(),
            hurried_until_s: 0,
            told: Vec::new(),
            promotions: 0,
        }
    }

    fn tell(&mut self, what: &str) {
        let day = (self.world.now_s - super::world::START_S) / DAY_S;
        self.told.push(format!("day {day}: {what}"));
    }

    fn run(&mut self, flaw: Flaw) -> Result<(), String> {
        for _ in 0..STEPS {
            self.pass_time();
            self.fault();
            self.late_ones_load();
            self.operate(flaw);
            self.check()?;
        }
        self.finish(flaw)
    }

    fn pass_time(&mut self) {
        let hours = self.random.range(1, 48);
        // Nobody is later than he may be.
        let nodes = self.world.nodes.values();
        let nodes = nodes.filter_map(|node| Some(node.changed_s? + NODE_LAG_S));
        let users = self.world.users.values();
        let users = users.filter_map(|user| Some(user.changed_s? + USER_LAG_S));
        let latest_s = nodes.chain(users).min().unwrap_or(u64::MAX);
        self.world.now_s = (self.world.now_s + hours * 3600).min(latest_s.max(self.world.now_s));
    }

    fn late_ones_load(&mut self) {
        let now_s = self.world.now_s;
        let speaks = self.random.chance(30);
        for node in self.world.nodes.values_mut() {
            node.is_silent &= !speaks;
        }
        for id in self.world.nodes.keys().copied().collect::<Vec<_>>() {
            let node = &self.world.nodes[&id];
            let late = node.changed_s.is_some_and(|changed_s| changed_s + NODE_LAG_S <= now_s);
            if late || self.random.chance(15) {
                self.world.load(id);
            }
        }
        for name in self.world.users.keys().cloned().collect::<Vec<_>>() {
            let user = &self.world.users[&name];
            let late = user.changed_s.is_some_and(|changed_s| changed_s + USER_LAG_S <= now_s);
            if late || self.random.chance(10) {
                self.world.load_user(&name);
            }
        }
    }

    fn operate(&mut self, flaw: Flaw) {
        let asked = self.asked.clone();
        let asked = Asked { internal: &asked[0], clients: &asked[1], nodes: &asked[2] };
        let wanted = Wanted { asked, ..Wanted::default() };
        let killed = self.random.chance(30);
        let writes_max = if killed { self.random.range(0, 4) as usize } else { usize::MAX };
        let before = self.generation();
        if flaw == Flaw::TrustsTooEarly {
            self.world.with_all_loaded(|world| world.operate(&wanted, writes_max));
        } else {
            self.world.operate(&wanted, writes_max);
        }
        if !killed && flaw == Flaw::None {
            self.settles(&wanted);
        }
        if self.generation() > before {
            self.promotions += 1;
            self.tell("another authority signs");
            if flaw == Flaw::ForgetsTheOld {
                self.forget_the_old();
            }
        }
    }

    /// The same question again and again soon changes nothing. (Nodes that are down count as soon as their Secret is written.)
    fn settles(&mut self, wanted: &Wanted<'_>) {
        for _ in 0..3 {
            if self.world.decide(wanted).writes.is_empty() {
                return;
            }
            self.world.operate(wanted, usize::MAX);
        }
        panic!("writes without end: {:?}", self.world.decide(wanted).writes);
    }

    fn generation(&self) -> u64 {
        let last = self.world.last();
        last.internal.generation + last.clients.generation
    }

    fn forget_the_old(&mut self) {
        let mut current = |role| {
            let secret = self.world.authority(role);
            secret.data[key::CA_CRT].clone()
        };
        let internal = current(Role::Internal);
        let both = [internal.clone(), current(Role::Clients)].concat();
        for (what, secret) in &mut self.world.secrets {
            match what {
                What::Authority(_) => secret.put(key::BUNDLE, secret.data[key::CA_CRT].clone()),
                What::Trust => {}
                What::Node(_) => {
                    secret.put(key::TRUSTSTORE, &*internal);
                    secret.put(key::CLIENTS_TRUSTSTORE, &*both);
                }
            }
        }
    }

    fn fault(&mut self) {
        let ids: Vec<NodeId> = self.world.nodes.keys().copied().collect();
        let Some(id) = self.random.pick(&ids) else { return };
        match self.random.range(0, 40) {
            0 => {
                self.tell(&format!("node {id} stops"));
                self.world.nodes.get_mut(&id).expect("was picked").runs = None;
            }
            1 | 2 => {
                let node = self.world.nodes.get_mut(&id).expect("was picked");
                node.is_silent = !node.is_silent;
            }
            3 => {
                let host = format!("host-{}.example.com", self.random.range(0, 9));
                self.tell(&format!("node {id} is {host}"));
                self.world.nodes.get_mut(&id).expect("was picked").external = vec![host];
            }
            4 => self.ask(),
            5 => self.lose(What::Authority(Role::Internal)),
            6 => self.lose(What::Authority(Role::Clients)),
            7 => self.lose(What::Node(id)),
            8 => self.lose(What::Trust),
            9 => self.damage(),
            10 => self.backups.clone_from(&self.world.secrets),
            _ => {}
        }
    }

    fn ask(&mut self) {
        let which = self.random.range(0, 3) as usize;
        self.tell(&format!("somebody asks for a renewal ({which})"));
        self.asked[which] = self.world.now_s.to_string();
    }

    /// A node's certificate may be lost as long as somebody whom all nodes trust can issue another: two losses at once
    /// do break connections.
    fn lose(&mut self, what: What) {
        let signs = |role: Role| {
            let secret = self.world.secrets.get(&What::Authority(role));
            secret.is_some_and(|secret| {
                secret.data.contains_key(key::CA_KEY) && !secret.data.contains_key(key::NEXT_KEY)
            })
        };
        if !signs(Role::Internal) || !signs(Role::Clients) {
            return;
        }
        self.tell(&format!("{what:?} is lost"));
        self.world.secrets.remove(&what);
        if what == What::Authority(Role::Internal) {
            self.hurry();
        }
    }

    fn hurry(&mut self) {
        self.hurried_until_s = self.world.now_s + 20 * DAY_S;
    }

    /// Half a file, no file, or a file of last year's.
    fn damage(&mut self) {
        let role = self.random.pick(&[Role::Internal, Role::Clients]).expect("two");
        let name = self.random.pick(&[key::CA_CRT, key::BUNDLE, key::NEXT_CRT, key::NEXT_KEY]);
        let name = name.expect("four");
        let half = self.random.chance(50);
        let Some(secret) = self.world.secrets.get_mut(&What::Authority(role)) else { return };
        let Some(content) = secret.data.get_mut(name) else { return };
        if half {
            content.truncate(content.len() / 2);
        } else {
            content.clear();
        }
        self.tell(&format!("{name} of the {role} is damaged"));
    }

    fn check(&mut self) -> Result<(), String> {
        let hurried = self.world.now_s < self.hurried_until_s;
        self.world.check(!hurried)?;
        let signer = self.world.last().internal.signer.as_ref();
        let signer = signer.map(|signer| signer.authority().certificate().clone());
        // While the key is lost and not everybody trusts the next authority, the operator has to wait.
        let all_know = signer.is_some_and(|signer| self.world.everybody_trusts(&signer));
        if !hurried || all_know { self.world.check_operator() } else { Ok(()) }
    }

    /// No more faults: two months later everything is steady and new.
    fn finish(&mut self, flaw: Flaw) -> Result<(), String> {
        for node in self.world.nodes.values_mut() {
            node.is_silent = false;
        }
        for _ in 0..60 {
            self.world.days(1);
            self.operate(flaw);
            self.world.load_all();
            self.check()?;
        }
        let last = self.world.last();
        for status in [&last.internal, &last.clients] {
            let left = status.expiry.as_ref().map_or(0, |expiry| expiry.days_left);
            // By chance the next renewal has just begun.
            if status.phase != Phase::Steady && left > 30 {
                return Err(format!("does not finish: {}", status.phase));
            }
        }
        Ok(())
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn nobody_is_ever_refused_and_every_renewal_finishes() {
    let only = number("KLAMM_SEED");
    let seeds = only.map_or(0..number("KLAMM_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let mut promotions = 0;
    for seed in seeds {
        let mut simulation = Simulation::new(seed);
        let outcome = simulation.run(Flaw::None);
        if only.is_some() {
            println!("{}", simulation.told.join("\n"));
        }
        assert_eq!(outcome, Ok(()), "run it alone with KLAMM_SEED={seed}");
        promotions += simulation.promotions;
    }
    // Or nothing was put to the test.
    assert!(only.is_some() || promotions > 20, "{promotions}");
}

#[test]
fn flaws_are_found_out() {
    for flaw in [Flaw::TrustsTooEarly, Flaw::ForgetsTheOld] {
        let found = |seed| Simulation::new(seed).run(flaw).is_err();
        assert!((0..20).any(found), "{flaw:?}");
    }
}
