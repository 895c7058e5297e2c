//! What has to hold once nothing happens any more.

use super::*;

impl World {
    pub(super) fn check_settled(&mut self, seed: u64) {
        let versions = |world: &Self| {
            let set = world.kafka.lock().unwrap().credentials_set;
            (world.store.lock().status_writes, world.secrets.0.lock().unwrap().version, set)
        };
        let before = versions(self);
        self.board.mark_cluster(&Key::new("kafka", "c"));
        self.look();
        assert_eq!(versions(self), before, "seed {seed}: nothing is written in the calm");
        let users = self.store.lock().objects.clone();
        let kafka = self.kafka.lock().unwrap();
        let vault = self.secrets.0.lock().unwrap();
        assert!(kafka.acls.iter().any(|acl| acl.principal == FOREIGN), "seed {seed}");
        let mut known: BTreeSet<String> = [FOREIGN.to_owned()].into();
        for (_, note) in &self.store.lock().notes {
            // What was left with a word about it may be there.
            let name = note.text.split('\'').nth(1).unwrap_or_default();
            known.extend([format!("User:{name}"), format!("User:CN={name}")]);
        }
        for (key, user) in &users {
            let at = format!("seed {seed}, {key} as {}", user.claimed());
            assert!(user.metadata.deletion_timestamp.is_none(), "{at}: hangs");
            let status = user.status.as_ref().unwrap_or_else(|| panic!("{at}: was told nothing"));
            let ready = status.conditions.of(READY).unwrap();
            let rivals = users.values().filter(|rival| rival.claimed() == user.claimed());
            let owner = rivals.min_by_key(|rival| rival.age()).unwrap();
            if owner.uid() != user.uid() {
                assert_eq!(ready.reason, "NameTaken", "{at}");
                continue;
            }
            let stored = vault.stored.get(&Key::new("kafka", &secret_name(user)));
            if stored.is_none_or(|stored| stored.owner != user.uid()) {
                // It keeps what it had before it was given a Secret that is taken, or asked for a password that is not there.
                known.extend(principals(user));
                let expected = ["SecretTaken", "NoPassword"];
                assert!(expected.contains(&ready.reason.as_str()), "{at}: {}", ready.message);
                continue;
            }
            known.insert(super::super::validate::principal(user));
            if ready.reason == "NoPassword" {
                known.extend(principals(user));
                continue;
            }
            assert_eq!(ready.status, "True", "{at}: {}", ready.message);
            let name = format!("'{}'", user.claimed());
            let inner = self.store.lock();
            let is_left = inner.notes.iter().any(|(_, note)| note.text.contains(&name));
            let is_scram = user.spec.authentication == Authentication::ScramSha512;
            // A credential that an earlier user left behind is nobody's who has no use for one.
            if is_scram || !is_left {
                let password = stored.unwrap().secret.data.get("password");
                let there = kafka.passwords.get(user.claimed());
                assert_eq!(there.map(String::as_bytes), password.map(Vec::as_slice), "{at}");
            }
            check_access(user, &stored.unwrap().secret, &kafka, &vault, &at);
        }
        let stray = kafka.acls.iter().find(|acl| !known.contains(&acl.principal));
        assert_eq!(stray, None, "seed {seed}: rules of nobody, {known:?}");
    }
}

fn principals(user: &KafkaUser) -> Vec<String> {
    let known = user.annotations().get("klamm.dev/principals").cloned().unwrap_or_default();
    known.split(',').map(str::to_owned).collect()
}

fn check_access(user: &KafkaUser, secret: &Secret, kafka: &Kafka, vault: &Vault, at: &str) {
    let name = user.claimed();
    let entry =
        |key: &str| secret.data.get(key).map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    assert_eq!(entry("username").as_deref(), Some(name), "{at}");
    assert!(entry("ca.crt").is_some_and(|pem| pem.contains("CERTIFICATE")), "{at}");
    if user.spec.password.is_some() {
        let given = &vault.stored[&Key::new("kafka", "given")].secret.data["password"];
        assert_eq!(entry("password").map(String::into_bytes).as_ref(), Some(given), "{at}");
    }
    let is_tls = user.spec.authentication == Authentication::Tls;
    assert_eq!(entry("user.key").is_some(), is_tls, "{at}");
    let principal = super::super::validate::principal(user);
    let rules: BTreeSet<&str> = kafka
        .acls
        .iter()
        .filter(|acl| acl.principal == principal)
        .map(|acl| acl.resource.name.as_str())
        .collect();
    let wanted = user.spec.acls.iter().flatten().map(|acl| acl.resource.name.as_str()).collect();
    assert_eq!(rules, wanted, "{at}");
    let entity = super::super::validate::entity(name, user.spec.authentication);
    let rate = kafka.quotas.get(&entity).and_then(|quotas| quotas.get("producer_byte_rate"));
    let wanted = user.spec.quotas.as_ref().and_then(|quotas| quotas.producer_byte_rate);
    assert_eq!(rate.map(|rate| *rate as u64), wanted, "{at}");
}

pub(super) fn foreign() -> KafkaAcl {
    use klamm_kafka::admin as kafka;
    KafkaAcl {
        resource: kafka::AclResource {
            kind: kafka::ResourceType::Topic,
            name: "x".into(),
            pattern: kafka::PatternType::Literal,
        },
        principal: FOREIGN.into(),
        host: "*".into(),
        operation: kafka::AclOperation::Read,
        permission: kafka::AclPermission::Allow,
    }
}
