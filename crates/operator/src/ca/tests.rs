//! What is made, renewed and healed, one thing at a time.

mod loss;

use super::advance::Phase;
use super::secret::{annotation, key};
use super::time::{DAY_S, moment};
use super::verify::{End, handshake};
use super::world::{World, given, host};
use super::{
    Asked, Authority, Lifetime, Policy, Role, Secret, Source, SystemKeys, Wanted, What, Why,
};
use crate::model::NodeId;

fn asked_internal(value: &str) -> Wanted<'_> {
    let asked = Asked { internal: value, ..Asked::default() };
    Wanted { asked, ..Wanted::default() }
}

fn node(id: u32) -> What {
    What::Node(NodeId(id))
}

const CA: What = What::Authority(Role::Internal);

/// Decides and loads once a day.
fn live(world: &mut World, wanted: &Wanted<'_>, days: u64) {
    for day in 0..days {
        world.days(1);
        world.operate(wanted, usize::MAX);
        world.load_all();
        world.check(true).unwrap_or_else(|why| panic!("day {day}: {why}"));
        world.check_operator().unwrap_or_else(|why| panic!("day {day}: {why}"));
    }
}

#[test]
fn first_decision_makes_everything_and_the_second_nothing() {
    let wanted = Wanted::default();
    let mut world = World::new(3, 1);
    let decision = world.decide(&wanted);
    let order: Vec<_> = decision.writes.iter().map(|write| write.what).collect();
    let clients = What::Authority(Role::Clients);
    assert_eq!(order, [CA, clients, What::Trust, node(0), node(1), node(2)]);
    assert!(decision.writes.iter().all(|write| write.is_new));
    world.settle(&wanted);
    assert_eq!(world.last().internal.phase, Phase::Steady);
    assert_eq!(world.last().internal.generation, 1);
    assert_eq!(world.last().messages, []);
    world.check(true).unwrap();
    world.check_operator().unwrap();
    world.shake_hands();
}

#[test]
fn subjects_and_purposes_are_those_that_kafka_is_told() {
    let world = World::running(1, 1, &Wanted::default());
    assert_eq!(world.leaf(0).subject, "CN=node,O=c");
    let operator = world.signer(Role::Internal).operator("c", world.now_s, &mut SystemKeys);
    assert_eq!(operator.unwrap().certificate().subject, "CN=klamm-operator,O=c");
    let user = world.users["user-0"].secret.clone().unwrap();
    assert_eq!(user.certificates(key::USER_CRT)[0].subject, "CN=user-0");
    // A user is no server, and nothing between nodes.
    let node = &world.secrets[&node(0)];
    let name = host(NodeId(0));
    assert!(handshake(&End::user(&user), &End::listener(node), &name, world.now_s).is_ok());
    assert!(handshake(&End::user(&user), &End::node(node), &name, world.now_s).is_err());
    let mut impostor = End::user(&user);
    impostor.trusts = End::listener(node).trusts;
    assert!(handshake(&End::user(&user), &impostor, &name, world.now_s).is_err());
    // Nor is a node taken for another.
    let other = host(NodeId(1));
    assert!(handshake(&End::node(node), &End::node(node), &other, world.now_s).is_err());
}

#[test]
fn keystore_is_one_pkcs8_key_and_one_certificate() {
    let world = World::running(1, 0, &Wanted::default());
    let keystore = world.secrets[&node(0)].data[key::KEYSTORE].clone();
    let blocks = pem::parse_many(keystore).unwrap();
    let tags: Vec<_> = blocks.iter().map(pem::Pem::tag).collect();
    assert_eq!(tags, ["PRIVATE KEY", "CERTIFICATE"]);
}

#[test]
fn clock_that_is_behind_still_accepts_a_new_certificate() {
    let mut world = World::running(2, 1, &Wanted::default());
    world.now_s -= 4 * 60;
    world.shake_hands();
    world.check(true).unwrap();
}

#[test]
fn other_names_issue_the_nodes_certificate_anew_and_no_other() {
    let wanted = Wanted::default();
    let mut world = World::running(2, 0, &wanted);
    let (first, second) = (world.leaf(0), world.leaf(1));
    world.nodes.get_mut(&NodeId(0)).unwrap().external = vec!["kafka.example.com".into()];
    world.operate(&wanted, usize::MAX);
    assert_eq!(world.last().nodes[&NodeId(0)].issued, Some(Why::OtherNames));
    assert_ne!(world.leaf(0), first);
    assert_eq!(world.leaf(1), second);
}

#[test]
fn leaf_is_renewed_before_its_end_and_only_then() {
    let year = Lifetime::YEAR;
    let short = Lifetime::new(90 * DAY_S, 30 * DAY_S).unwrap();
    let policy = Policy::new(year, short, short, 7 * DAY_S, 14 * DAY_S).unwrap();
    let wanted = Wanted { policy, ..Wanted::default() };
    let mut world = World::running(1, 1, &wanted);
    let first = world.leaf(0);
    let next_check_s = world.decide(&wanted).next_check_s;
    assert!(next_check_s <= world.now_s + DAY_S, "{next_check_s}");
    live(&mut world, &wanted, 59);
    assert_eq!(world.leaf(0), first);
    live(&mut world, &wanted, 1);
    assert_ne!(world.leaf(0), first);
    live(&mut world, &wanted, 200);
}

#[test]
fn leaf_that_ends_with_its_authority_is_not_issued_again_and_again() {
    let wanted = Wanted::default();
    let mut world = World::running(1, 0, &wanted);
    world.days(340);
    world.operate(&wanted, usize::MAX);
    assert!(matches!(world.last().internal.phase, Phase::Introducing(_)));
    let leaf = world.leaf(0);
    world.days(1);
    world.operate(&wanted, usize::MAX);
    assert_eq!(world.leaf(0), leaf);
}

#[test]
fn years_go_by_without_a_break() {
    let wanted = Wanted::default();
    let mut world = World::running(3, 2, &wanted);
    live(&mut world, &wanted, 4 * 365);
    assert!(world.last().internal.generation >= 4);
    assert!(world.last().clients.generation >= 4);
}

#[test]
fn new_authority_signs_only_when_every_node_trusts_it() {
    let wanted = asked_internal("now");
    let mut world = World::running(3, 1, &Wanted::default());
    let leaf = world.leaf(0);
    world.operate(&wanted, usize::MAX);
    let old = world.secrets[&CA].data[key::CA_CRT].clone();
    world.load(NodeId(0));
    world.load(NodeId(1));
    world.load_user("user-0");
    world.days(8);
    world.operate(&wanted, usize::MAX);
    let Phase::Introducing(waits) = &world.last().internal.phase else { panic!() };
    assert_eq!(waits.nodes, [NodeId(2)]);
    assert!(world.last().internal.phase.to_string().contains("nodes 2 to load"));
    assert_eq!(world.leaf(0), leaf);
    world.load(NodeId(2));
    world.operate(&wanted, usize::MAX);
    assert!(matches!(world.last().internal.phase, Phase::Replacing(_)));
    assert_ne!(world.secrets[&CA].data[key::CA_CRT], old);
    assert!(world.leaf(0).is_issued_by(world.signer(Role::Internal).authority().certificate()));
    world.check(true).unwrap();
    // Half way through, the old one is trusted; at the end it is not.
    world.load(NodeId(0));
    world.operate(&wanted, usize::MAX);
    assert!(matches!(world.last().internal.phase, Phase::Replacing(_)));
    world.check(true).unwrap();
    world.settle(&wanted);
    assert_eq!(world.last().internal.phase, Phase::Steady);
    assert_eq!(world.secrets[&node(1)].certificates(key::TRUSTSTORE).len(), 1);
    assert_eq!(world.last().internal.generation, 2);
    // What was asked for once is done once.
    live(&mut world, &wanted, 30);
    assert_eq!(world.last().internal.generation, 2);
}

#[test]
fn clients_have_their_grace_before_the_new_authority_signs() {
    let wanted = asked_internal("now");
    let mut world = World::running(1, 0, &wanted);
    let again = asked_internal("again");
    world.settle(&again);
    let Phase::Introducing(waits) = &world.last().internal.phase else { panic!() };
    assert_eq!((&waits.nodes[..], waits.until_s), (&[][..], Some(world.now_s + 7 * DAY_S)));
    assert!(world.decide(&again).next_check_s <= world.now_s + 7 * DAY_S);
    world.days(7);
    world.settle(&again);
    assert_eq!(world.last().internal.generation, 2);
}

#[test]
fn old_clients_authority_waits_for_users_and_their_grace() {
    let asked = Asked { clients: "now", ..Asked::default() };
    let wanted = Wanted { asked, ..Wanted::default() };
    let mut world = World::running(1, 2, &Wanted::default());
    world.operate(&wanted, usize::MAX);
    world.load(NodeId(0));
    world.operate(&wanted, usize::MAX);
    // The users' Secrets are new; the applications have loaded nothing yet.
    for _ in 0..13 {
        world.days(1);
        world.operate(&wanted, usize::MAX);
        world.load(NodeId(0));
        world.check(true).unwrap();
    }
    assert!(matches!(world.last().clients.phase, Phase::Replacing(_)));
    world.load_all();
    world.days(1);
    world.settle(&wanted);
    assert_eq!(world.last().clients.phase, Phase::Steady);
    world.check(true).unwrap();
}

#[test]
fn node_that_is_down_holds_nobody_up_and_one_that_is_not_known_does() {
    let wanted = asked_internal("now");
    let mut world = World::running(3, 0, &Wanted::default());
    world.nodes.get_mut(&NodeId(2)).unwrap().runs = None;
    world.nodes.get_mut(&NodeId(1)).unwrap().is_silent = true;
    for _ in 0..10 {
        world.days(1);
        world.operate(&wanted, usize::MAX);
        world.load(NodeId(0));
        world.load(NodeId(1));
    }
    let Phase::Introducing(waits) = &world.last().internal.phase else { panic!() };
    assert_eq!(waits.nodes, [NodeId(1)]);
    world.nodes.get_mut(&NodeId(1)).unwrap().is_silent = false;
    world.operate(&wanted, usize::MAX);
    assert!(matches!(world.last().internal.phase, Phase::Replacing(_)));
    world.load(NodeId(2));
    world.check(true).unwrap();
}

#[test]
fn one_straggler_does_not_let_the_others_expire() {
    let wanted = Wanted::default();
    let mut world = World::running(3, 0, &wanted);
    for _ in 0..365 {
        world.days(1);
        world.operate(&wanted, usize::MAX);
        world.load(NodeId(0));
        world.load(NodeId(1));
    }
    world.nodes.get_mut(&NodeId(2)).unwrap().runs = None;
    world.check(true).unwrap();
    assert!(world.last().internal.generation == 2);
}

#[test]
fn two_stragglers_are_told_of_and_waited_for_until_the_end() {
    let wanted = Wanted::default();
    let mut world = World::running(3, 0, &wanted);
    for _ in 0..364 {
        world.days(1);
        world.operate(&wanted, usize::MAX);
        world.load(NodeId(0));
    }
    assert_eq!(world.warnings(), ["AuthorityEnds", "AuthorityEnds"]); // both of them
    world.check(true).unwrap();
    assert_eq!(world.last().internal.generation, 1);
}

#[test]
fn stranger_in_the_authoritys_secret_is_made_known_before_it_signs() {
    let wanted = Wanted::default();
    let mut world = World::running(3, 0, &wanted);
    let year = Lifetime::YEAR;
    let now_s = world.now_s;
    let stranger = Authority::make(Role::Internal, "c", 9, year, now_s, &mut SystemKeys).unwrap();
    let secret = world.authority(Role::Internal);
    secret.put(key::CA_CRT, stranger.certificate().to_pem());
    secret.put(key::CA_KEY, stranger.key().unwrap().to_pem());
    secret.put(key::BUNDLE, stranger.certificate().to_pem());
    world.operate(&wanted, usize::MAX);
    assert!(world.warnings().contains(&"AuthorityUnknown"));
    for id in 0..3 {
        world.load(NodeId(id));
        world.check(true).unwrap();
    }
    world.settle(&wanted);
    world.check(true).unwrap();
    assert!(world.leaf(0).is_issued_by(stranger.certificate()));
}

#[test]
fn broken_parts_of_the_authoritys_secret_heal() {
    let other =
        Authority::make(Role::Internal, "c", 5, Lifetime::YEAR, 0, &mut SystemKeys).unwrap();
    let other_crt = other.certificate().to_pem().into_bytes();
    let other_key = other.key().unwrap().to_pem();
    let junk = b"\xff junk".to_vec();
    let broken: [(&str, Option<Vec<u8>>, bool); 9] = [
        (key::CA_CRT, None, true),
        (key::CA_CRT, Some(junk.clone()), true),
        (key::CA_CRT, Some(other_crt.clone()), true),
        (key::BUNDLE, None, true),
        (key::BUNDLE, Some(junk.clone()), true),
        (key::BUNDLE, Some(other_crt), true),
        (key::CA_KEY, None, false),
        (key::CA_KEY, Some(junk), false),
        (key::CA_KEY, Some(other_key), false),
    ];
    for (name, content, keeps) in broken {
        let wanted = Wanted::default();
        let mut world = World::running(3, 1, &wanted);
        let secret = world.authority(Role::Internal);
        let own = secret.certificates(key::CA_CRT);
        match content {
            Some(content) => secret.put(name, content),
            None => drop(secret.data.remove(name)),
        }
        for _ in 0..12 {
            world.operate(&wanted, usize::MAX);
            for id in 0..3 {
                world.load(NodeId(id));
                world.check(false).unwrap_or_else(|why| panic!("{name}: {why}"));
            }
            world.load_all();
            world.days(1);
        }
        world.settle(&wanted);
        world.check(true).unwrap();
        assert_eq!(world.last().internal.phase, Phase::Steady, "{name}");
        let kept = world.authority(Role::Internal).certificates(key::CA_CRT) == own;
        assert_eq!(kept, keeps, "{name}");
    }
}

#[test]
fn broken_nodes_secrets_heal() {
    let wanted = Wanted::default();
    for name in [key::KEYSTORE, key::TRUSTSTORE, key::CLIENTS_TRUSTSTORE] {
        let mut world = World::running(2, 1, &wanted);
        let half = world.secrets[&node(0)].data[name][..100].to_vec();
        for content in [Some(half), None] {
            let secret = world.secrets.get_mut(&node(0)).unwrap();
            match content {
                Some(content) => secret.put(name, content),
                None => drop(secret.data.remove(name)),
            }
            world.settle(&wanted);
            world.check(true).unwrap();
        }
    }
    let mut world = World::running(2, 1, &wanted);
    let key_of_another = world.secrets[&node(1)].data[key::KEYSTORE].clone();
    let mut mixed = pem::parse_many(&key_of_another).unwrap();
    mixed[1] = pem::parse_many(&world.secrets[&node(0)].data[key::KEYSTORE]).unwrap()[1].clone();
    world.secrets.get_mut(&node(0)).unwrap().put(key::KEYSTORE, pem::encode_many(&mixed));
    world.operate(&wanted, usize::MAX);
    assert!(matches!(world.last().nodes[&NodeId(0)].issued, Some(Why::Unusable(_))));
}

#[test]
fn what_is_not_ours_in_a_secret_stays() {
    let wanted = Wanted::default();
    let mut world = World::running(1, 0, &wanted);
    let secret = world.authority(Role::Internal);
    secret.put("note", "keep");
    secret.annotate("example.com/a", &"b");
    world.settle(&asked_internal("now"));
    world.days(8);
    world.settle(&asked_internal("now"));
    assert_eq!(world.authority(Role::Internal).bytes("note"), Some(&b"keep"[..]));
    assert_eq!(world.authority(Role::Internal).annotation("example.com/a"), "b");
    assert_eq!(world.authority(Role::Internal).annotation(annotation::GENERATION), "2");
}

#[test]
fn node_certificates_that_are_asked_for_are_issued_once() {
    let asked = Asked { nodes: "1", ..Asked::default() };
    let wanted = Wanted { asked, ..Wanted::default() };
    let mut world = World::running(2, 0, &Wanted::default());
    let leaf = world.leaf(0);
    world.operate(&wanted, usize::MAX);
    assert_eq!(world.last().nodes[&NodeId(0)].issued, Some(Why::Asked));
    assert_ne!(world.leaf(0), leaf);
    let leaf = world.leaf(0);
    world.settle(&wanted);
    assert_eq!(world.leaf(0), leaf);
}

/// An intermediate authority below a root, as companies have them.
fn company(now_s: u64, days: u64) -> Secret {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = moment!(now_s);
        params.not_after = moment!(now_s + days * DAY_S);
        (params, KeyPair::generate().unwrap())
    };
    let (root, root_key) = authority("root");
    let (below, below_key) = authority("kafka");
    let root_crt = root.self_signed(&root_key).unwrap();
    let below_crt = below.signed_by(&below_key, &Issuer::new(root, root_key)).unwrap();
    let mut secret = Secret::default();
    secret.put(key::CA_CRT, below_crt.pem() + &root_crt.pem());
    secret.put(key::CA_KEY, below_key.serialize_pem());
    secret
}

#[test]
fn given_authority_is_made_known_and_signs_with_what_is_above_it() {
    let mut world = World::running(3, 1, &Wanted::default());
    let company = company(world.now_s, 1000);
    let wanted = Wanted { internal: given("own", &company), ..Wanted::default() };
    for _ in 0..10 {
        world.operate(&wanted, usize::MAX);
        world.load_all();
        world.check(true).unwrap();
        world.days(1);
    }
    world.settle(&wanted);
    assert!(world.leaf(0).is_issued_by(&company.certificates(key::CA_CRT)[0]));
    assert_eq!(world.last().trusted, company.certificates(key::CA_CRT));
    // The chain is sent: who has only the root verifies it too.
    let mut root_only = End::node(&world.secrets[&node(0)]);
    root_only.trusts = company.certificates(key::CA_CRT)[1].to_pem().into_bytes();
    let name = host(NodeId(0));
    handshake(&root_only, &End::node(&world.secrets[&node(0)]), &name, world.now_s).unwrap();
    // Given no longer, it is replaced by ours.
    for _ in 0..10 {
        world.operate(&Wanted::default(), usize::MAX);
        world.load_all();
        world.check(true).unwrap();
        world.days(1);
    }
    assert!(!world.leaf(0).is_issued_by(&company.certificates(key::CA_CRT)[0]));
}

#[test]
fn given_authority_as_cert_manager_writes_it_is_taken_from_the_start() {
    let mut world = World::new(2, 0);
    let company = company(world.now_s, 1000);
    let chain = company.certificates(key::CA_CRT);
    let mut secret = Secret::default();
    secret.put(key::TLS_CRT, chain[0].to_pem());
    secret.put(key::CA_CRT, chain[1].to_pem());
    secret.put(key::TLS_KEY, company.data[key::CA_KEY].clone());
    let wanted = Wanted { internal: given("tls", &secret), ..Wanted::default() };
    world.settle(&wanted);
    assert_eq!(world.last().internal.phase, Phase::Steady);
    assert_eq!(world.last().trusted.len(), 2);
    world.shake_hands();
}

#[test]
fn given_authority_that_cannot_be_used_is_told_of_and_changes_nothing() {
    let running = World::running(2, 0, &Wanted::default());
    let good = company(running.now_s, 1000);
    let with = |change: &dyn Fn(&mut Secret)| {
        let mut secret = good.clone();
        change(&mut secret);
        secret
    };
    let leaf_only = running.secrets[&node(0)].data[key::KEYSTORE].clone();
    let cases = [
        (Some(with(&|s| drop(s.data.remove(key::CA_KEY)))), "add 'ca.key'"),
        (Some(with(&|s| drop(s.data.remove(key::CA_CRT)))), "add 'ca.crt'"),
        (Some(with(&|s| s.put(key::CA_KEY, "junk"))), "no readable private key"),
        (Some(with(&|s| s.put(key::CA_KEY, leaf_only.clone()))), "must be the key's"),
        (
            Some(with(&|s| (s.put(key::CA_CRT, &*leaf_only), s.put(key::CA_KEY, &*leaf_only)).0)),
            "not the certificate of an authority",
        ),
        (Some(company(running.now_s - 20 * DAY_S, 10)), "put a new one there"),
        (None, "there is no such Secret"),
    ];
    for (secret, told) in &cases {
        let source = Source::Given { name: "own", secret: secret.as_ref() };
        let wanted = Wanted { internal: source, ..Wanted::default() };
        let decision = running.decide(&wanted);
        let texts: Vec<_> = decision.messages.iter().map(|m| m.text.as_str()).collect();
        assert!(texts.iter().any(|text| text.contains(told)), "{told}: {texts:?}");
        assert_eq!(decision.writes, [], "{told}");
        // And without anything to go on with, nothing is made up.
        let decision = World::new(1, 0).decide(&wanted);
        assert_eq!(decision.internal.phase, Phase::Blocked, "{told}");
        assert_eq!(decision.nodes[&NodeId(0)].fingerprint, None);
    }
}

#[test]
fn given_authority_is_not_renewed_here_and_its_end_is_told() {
    let mut world = World::new(1, 0);
    let company = company(world.now_s, 100);
    let asked = Asked { internal: "now", ..Asked::default() };
    let wanted = Wanted { internal: given("own", &company), ..Wanted::default() };
    world.settle(&wanted);
    let wanted = Wanted { asked, ..wanted };
    world.operate(&wanted, usize::MAX);
    assert_eq!(world.warnings(), ["RenewalRefused"]);
    world.days(80);
    world.operate(&wanted, usize::MAX);
    assert_eq!(world.warnings(), ["RenewalRefused", "AuthorityEnds"]);
    world.days(40);
    assert!(world.decide(&wanted).writes.is_empty());
    assert_eq!(world.decide(&wanted).internal.phase, Phase::Blocked);
    // A new one brings it back.
    let renewed = self::company(world.now_s, 100);
    let wanted = Wanted { internal: given("own", &renewed), ..Wanted::default() };
    world.operate(&wanted, usize::MAX);
    world.load_all();
    world.check(true).unwrap();
}

#[test]
fn fingerprint_is_sha_256_of_the_three_files_in_order() {
    let mut secret = Secret::default();
    secret.put(key::TRUSTSTORE, "b");
    secret.put(key::KEYSTORE, "a");
    secret.put("other", "x");
    // printf ab | sha256sum; printf abc | sha256sum
    assert_eq!(super::fingerprint(&secret), "fb8e20fc2e4c3f24");
    secret.put(key::CLIENTS_TRUSTSTORE, "c");
    assert_eq!(super::fingerprint(&secret), "ba7816bf8f01cfea");
}
