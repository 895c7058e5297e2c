//! What people and machines do to users while the controller works.

use super::*;

impl World {
    pub(super) fn spec(&mut self) -> KafkaUserSpec {
        let mut spec = KafkaUserSpec {
            cluster: ClusterRef { name: "c".into(), namespace: None },
            user_name: self.random.pick(&["ann", "bob", "cy"]).map(str::to_owned),
            authentication: Authentication::ScramSha512,
            acls: None,
            quotas: None,
            secret_name: None,
            password: None,
        };
        self.edit(&mut spec);
        spec
    }

    pub(super) fn edit(&mut self, spec: &mut KafkaUserSpec) {
        let random = &mut self.random;
        let ways = [Authentication::ScramSha512, Authentication::Tls, Authentication::TlsExternal];
        if random.chance(40) {
            spec.authentication = random.pick(&ways).unwrap();
        }
        // Once managed always managed: what becomes of rules that are left alone is nobody's business here.
        let topics: Vec<&str> = ["x", "y", "z"].into_iter().filter(|_| random.chance(50)).collect();
        spec.acls = Some(topics.into_iter().map(acl).collect());
        let rate = random.range(1, 5);
        spec.quotas = Some(Quotas {
            producer_byte_rate: random.chance(50).then_some(rate),
            consumer_byte_rate: random.chance(50).then_some(rate),
            ..Quotas::default()
        });
        spec.secret_name = random.chance(30).then(|| "shared".to_owned());
        let is_scram = spec.authentication == Authentication::ScramSha512;
        spec.password = (is_scram && random.chance(30))
            .then(|| SecretKeyRef { name: "given".into(), key: "password".into() });
    }

    pub(super) fn key(&mut self) -> Option<Key> {
        let keys: Vec<Key> = self.store.lock().objects.keys().cloned().collect();
        let index = self.random.range(0, keys.len().max(1) as u64);
        keys.get(usize::try_from(index).unwrap()).cloned()
    }

    pub(super) fn put_secret(&self, name: &str, entry: &str, value: &str) {
        let mut secret = Secret::default();
        secret.data.insert(entry.into(), value.into());
        self.secrets.0.lock().unwrap().put(&Key::new("kafka", name), None, secret);
    }

    /// A person, or fate.
    pub(super) fn disturb(&mut self) {
        match self.random.range(0, 12) {
            0..3 => {
                let name = format!("r{}", self.random.range(0, 4));
                let spec = self.spec();
                self.store.make("kafka", KafkaUser::new(&name, spec), self.now);
            }
            3..5 => {
                let Some(key) = self.key() else { return };
                let spec = self.store.lock().objects.get(&key).map(|user| user.spec.clone());
                let Some(mut spec) = spec else { return };
                self.edit(&mut spec);
                self.store.change(&key, |there| *there = spec);
            }
            5 => {
                let Some(key) = self.key() else { return };
                self.store.delete(&key, self.now);
            }
            6 => {
                let password = format!("password-{}", self.random.range(0, 1_000));
                self.put_secret("given", "password", &password);
            }
            7 => {
                let name = self.random.pick(&["ann", "bob", "cy"]).unwrap();
                self.kafka.lock().unwrap().passwords.remove(name);
            }
            8 => {
                let calls = usize::try_from(self.random.range(0, 6)).unwrap();
                let mut kafka = self.kafka.lock().unwrap();
                kafka.is_away = !kafka.is_away;
                kafka.calls_left = Some(calls);
            }
            9 => {
                self.generation += 1;
                let paused = self.random.chance(30);
                self.cluster = (!self.random.chance(30)).then(|| cluster(paused, self.generation));
            }
            10 => {
                self.board = board(Kind::User);
                self.memory = Memory::default();
            }
            _ => {
                let mut vault = self.secrets.0.lock().unwrap();
                let owned = vault.stored.iter().find(|(_, stored)| stored.owner.is_some());
                if let Some(key) = owned.map(|(key, _)| key.clone()) {
                    vault.stored.remove(&key);
                }
            }
        }
    }
}

fn acl(topic: &str) -> Acl {
    Acl {
        resource: AclResource {
            kind: AclResourceType::Topic,
            name: topic.into(),
            pattern_type: PatternType::Literal,
        },
        operations: vec![AclOperation::Read, AclOperation::Describe],
        host: "*".into(),
        permission: AclPermission::Allow,
    }
}
