//! Kafka as a plain Deployment on one shared volume (`examples/handmade`), its pods deleted at random: a broker id has one
//! owner at a time, and whoever starts goes on with what a dead one left.

mod registrations;
mod witness;

use std::collections::{BTreeMap, BTreeSet};

use crate::end::{End, Outcome};
use crate::kubectl::Namespace;
use crate::load::{Load, Spec};
use crate::pod::Pod;
use crate::seed::Seed;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until};
use witness::Witness;

/// Pods deleted.
const DELETIONS: u64 = 20;
const BROKERS: &str = "app=kafka,role=broker";
const FOLDER: &str = "examples/handmade";

pub(super) fn run(stage: &mut Stage<'_>) -> Outcome {
    let here = stage.namespace("handmade")?;
    apply(&here)?;
    let ready = "jsonpath={.status.readyReplicas}=3";
    let took = here.wait("deployment/kafka", ready, PATIENCE)?;
    stage.number("three brokers Ready after apply", took.as_millis(), "ms");
    let mut load = Load::start(stage, &here, &Spec::new(&bootstrap(&here)))?;
    settled(&here, &mut load)?;
    let disks = disks(&here)?;
    // Processes of a cluster of somebody's own are not ours to see; logs tell of owners there.
    let witness = stage.cluster().harness.is_some().then(Witness::start);
    let mut story = Story::default();
    story.hear(&here)?;
    let mut seed = Seed(stage.seed());
    load.window()?;
    let mut on_their_way = 0;
    for number in 1..=DELETIONS {
        delete_one(&here, &mut seed, number)?;
        on_their_way += 1;
        // One time in four another goes while this one is on its way back. Never a third: a partition whose brokers have all
        // died at once may get a leader that Kafka itself calls unclean.
        if on_their_way == 2 || seed.below(4) > 0 {
            settled(&here, &mut load)?;
            story.hear(&here)?;
            on_their_way = 0;
        }
    }
    settled(&here, &mut load)?;
    story.hear(&here)?;
    let after = self::disks(&here)?;
    End::unless(disks == after, || format!("other disks: {after:?}, were {disks:?}"))?;
    stage.number("pods deleted", DELETIONS, "");
    stage.number("pods that held an id", story.ids.len(), "");
    story.ids_were_reused()?;
    let registered = registrations::read(&here.kubectl(&["logs", "deployment/kafka-controller"])?);
    stage.number("registrations the controller took", registered.len(), "");
    End::unless(registered.len() >= story.ids.len(), || format!("too few: {registered:?}"))?;
    registrations::one_after_the_other(&registered)?;
    if let Some(witness) = witness {
        let seen = witness.stop();
        stage.number("looks at every process for owners of an id", seen.looks, "");
        stage.number("owners of an id seen, one after the other", seen.owners(), "");
        seen.one_owner_at_a_time()?;
        story.agrees(&seen)?;
    }
    let verdict = load.stop()?;
    stage.number("records acknowledged", verdict.acknowledged, "");
    stage.number("records lost", verdict.lost, "");
    stage.number("records twice", verdict.twice, "");
    stage.number("longest stop of produce", verdict.produce_stop_ms, "ms");
    verdict.nothing_lost()
}

/// As the manifest's head says.
fn apply(here: &Namespace) -> Result<(), String> {
    let files = ["server.properties", "broker.sh", "controller.properties", "controller.sh"];
    let files: Vec<String> =
        files.iter().map(|file| format!("--from-file={FOLDER}/{file}")).collect();
    let id = "--from-literal=CLUSTER_ID=4L6g3nShT-eMCtK--X86sw";
    let mut arguments = vec!["create", "configmap", "kafka-handmade", id];
    arguments.extend(files.iter().map(String::as_str));
    here.kubectl(&arguments)?;
    here.apply_file(format!("{FOLDER}/kubernetes/kafka.yaml"))
}

fn bootstrap(here: &Namespace) -> String {
    format!("kafka.{}.svc.cluster.local:9092", here.name())
}

/// Three pods that are Ready and stay, and every replica in sync.
fn settled(here: &Namespace, load: &mut Load) -> Result<(), String> {
    until("three pods Ready and none on its way out", PATIENCE, || {
        let pods = here.pods(BROKERS)?;
        let good = pods.len() == 3 && pods.iter().all(|pod| pod.ready && !pod.deleting);
        let told: Vec<String> = pods.iter().map(Pod::to_string).collect();
        if good { Ok(()) } else { Err(told.join("; ")) }
    })?;
    load.full(PATIENCE).map(drop)
}

/// Half of the time with all the time a pod has for its end, half with a second: killed in the middle of it.
fn delete_one(here: &Namespace, seed: &mut Seed, number: u64) -> Result<(), String> {
    let mut pods = here.pods(BROKERS)?;
    pods.retain(|pod| !pod.deleting);
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    if pods.is_empty() {
        return Err("no pod to delete".to_owned());
    }
    let pod = seed.pick(&pods).name.clone();
    let grace = ["--grace-period=120", "--grace-period=1"][seed.below(2) as usize];
    println!("    {number}: {pod} {grace}");
    here.kubectl(&["delete", "pod", &pod, "--wait=false", grace]).map(drop)
}

/// What lies on the volume: each broker's directory and the file that says whose it is.
fn disks(here: &Namespace) -> Result<BTreeMap<String, String>, String> {
    let pods = here.pods(BROKERS)?;
    let pod = pods.iter().find(|pod| pod.ready).ok_or("no pod is Ready")?;
    let list = here.exec(&pod.name, &["ls", "/data"])?;
    let names = list.lines().filter(|name| *name != "lost+found");
    let file = |name: &str| format!("/data/{name}/meta.properties");
    names.map(|name| Ok((name.to_owned(), here.exec(&pod.name, &["cat", &file(name)])?))).collect()
}

/// Which pod held which id, by what `klamm-operator` said in it.
#[derive(Debug, Default)]
struct Story {
    ids: BTreeMap<String, u32>,
}

impl Story {
    fn hear(&mut self, here: &Namespace) -> Result<(), String> {
        for pod in here.pods(BROKERS)? {
            let log = here.kubectl(&["logs", &pod.name]).unwrap_or_default();
            let said = log.lines().find_map(|line| {
                let rest = line.strip_prefix("klamm-operator: broker id ")?;
                rest.split_once(' ')?.0.parse().ok()
            });
            if let Some(id) = said {
                self.ids.insert(pod.uid, id);
            }
        }
        Ok(())
    }

    fn ids_were_reused(&self) -> Outcome {
        let used: BTreeSet<u32> = self.ids.values().copied().collect();
        End::unless(used == BTreeSet::from([1, 2, 3]), || format!("ids used: {used:?}"))?;
        End::unless(self.ids.len() > 3, || "no id had a second owner".to_owned())
    }

    /// The logs and the processes tell the same.
    fn agrees(&self, seen: &witness::Seen) -> Outcome {
        for (pod, id) in &self.ids {
            let held = seen.ids_of(pod);
            let same = held.is_empty() || held == BTreeSet::from([*id]);
            End::unless(same, || format!("pod {pod} said id {id} and ran with {held:?}"))?;
        }
        Ok(())
    }
}
