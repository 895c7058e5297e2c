//! What was lost, or over, and how it goes on.

use super::super::verify::client_is_verified;
use super::*;

#[test]
fn cluster_whose_authorities_expired_comes_back_with_one_restart() {
    let wanted = Wanted::default();
    let mut world = World::running(3, 1, &wanted);
    world.days(400);
    world.check(true).unwrap_err();
    world.operate(&wanted, usize::MAX);
    assert!(world.warnings().contains(&"AuthorityExpired"), "{:?}", world.warnings());
    assert!(world.last().nodes.values().all(|node| node.is_cut_off));
    // Until it was restarted, however often it is looked at.
    world.load(NodeId(0));
    world.operate(&wanted, usize::MAX);
    let cut_off: Vec<bool> = world.last().nodes.values().map(|node| node.is_cut_off).collect();
    assert_eq!(cut_off, [false, true, true]);
    world.load_all();
    world.operate(&wanted, usize::MAX);
    assert!(world.last().nodes.values().all(|node| !node.is_cut_off));
    world.check(true).unwrap();
    world.check_operator().unwrap();
    world.settle(&wanted);
    assert_eq!(world.last().internal.phase, Phase::Steady);
}

#[test]
fn nothing_is_made_anew_for_nodes_that_run_while_nothing_says_whom_they_trust() {
    let wanted = Wanted::default();
    let mut world = World::running(3, 0, &wanted);
    world.secrets.clear();
    world.operate(&wanted, usize::MAX);
    assert_eq!(world.warnings(), ["AuthorityMissing", "AuthorityMissing"]);
    assert!(world.secrets.is_empty());
    for node in world.nodes.values_mut() {
        node.is_silent = true;
    }
    world.operate(&wanted, usize::MAX);
    assert!(world.secrets.is_empty());
    for node in world.nodes.values_mut() {
        (node.runs, node.is_silent) = (None, false);
    }
    world.settle(&wanted);
    world.check(true).unwrap();
}

#[test]
fn operator_is_lent_a_nodes_certificate_while_nobody_trusts_who_signs() {
    let wanted = Wanted::default();
    let mut world = World::running(3, 0, &wanted);
    assert!(world.last().lent.is_none());
    world.secrets.remove(&CA);
    world.operate(&wanted, usize::MAX);
    world.check_operator().unwrap_err();
    let lent = world.last().lent.clone().unwrap();
    for node in world.nodes.values() {
        let server = End::node(node.runs.as_ref().unwrap());
        let trusts = server.trusts.clone();
        let client = End { chain: lent.chain.clone(), key: lent.key.clone(), trusts };
        client_is_verified(&client, &server, world.now_s).unwrap();
    }
    world.load_all();
    world.operate(&wanted, usize::MAX);
    assert!(world.last().lent.is_none());
    world.check_operator().unwrap();
}

#[test]
fn lost_authority_is_followed_by_a_new_one_without_a_break() {
    for role in [Role::Internal, Role::Clients] {
        let wanted = Wanted::default();
        let mut world = World::running(3, 1, &wanted);
        let leaf = world.leaf(0);
        world.secrets.remove(&What::Authority(role));
        world.operate(&wanted, usize::MAX);
        assert_eq!(world.warnings(), ["AuthorityLost"]);
        assert_eq!(world.leaf(0), leaf);
        for id in 0..3 {
            world.load(NodeId(id));
            world.check(true).unwrap();
        }
        for _ in 0..20 {
            world.operate(&wanted, usize::MAX);
            world.load_all();
            world.check(true).unwrap();
            world.days(1);
        }
        world.settle(&wanted);
        assert_eq!(world.last().internal.phase, Phase::Steady);
        assert_eq!(world.last().clients.phase, Phase::Steady);
    }
}

#[test]
fn authority_that_is_put_back_after_a_loss_goes_on() {
    let wanted = Wanted::default();
    let mut world = World::running(2, 0, &wanted);
    let backup = world.secrets[&CA].clone();
    world.secrets.remove(&CA);
    world.operate(&wanted, usize::MAX);
    world.secrets.insert(CA, backup.clone());
    world.settle(&wanted);
    assert_eq!(world.secrets[&CA].data, backup.data);
    world.check(true).unwrap();
}
