//! What the operator costs, and how long it takes.

mod clusters;
mod operator;
mod setup;
mod table;
mod topics;
mod watched;

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use tokio::time::sleep;

use crate::world::{self, Shared};
use clusters::Clusters;
use operator::Operator;
use setup::Setup;
use table::{Table, median, quantile};
use topics::Topics;

/// Namespace of everything that is measured with.
const NAMESPACE: &str = "measure";
/// After the last change: long enough for every cluster to be looked at twice, and for the allocator to settle.
const IDLE: Duration = Duration::from_secs(40);
/// KafkaTopics are compared with Kafka every two minutes.
const IDLE_MEASURED: Duration = Duration::from_secs(120);
/// Starts, of which the median is told.
const STARTS: usize = 5;
/// Changes of a topic.
const CHANGES: usize = 100;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operator's program
    #[arg(long)]
    operator: PathBuf,
    /// For the operator's log and its kubeconfig
    #[arg(long)]
    work: PathBuf,
    /// Clusters in all, of three nodes each
    #[arg(long, default_value_t = 50)]
    clusters: usize,
    /// KafkaTopics of the first cluster, applied together
    #[arg(long, default_value_t = 1_000)]
    topics: usize,
    /// KafkaTopics of all clusters, the above among them
    #[arg(long, default_value_t = 10_000)]
    topics_all: usize,
}

/// Measures everything and prints it.
pub async fn run(args: Args) -> Result<(), String> {
    let client = Client::try_default().await.map_err(|error| error.to_string())?;
    let world = Shared::default();
    let setup = Setup::apply(&args.work).await?;
    let _parts = world::play(&client, world.clone()).await?;
    let mut measure = Measure {
        clusters: Clusters::new(&client, world),
        topics: Topics::new(&client),
        table: Table::default(),
        setup,
        args,
    };
    measure.table.load("begun");
    let done = measure.all().await;
    measure.table.load("ended");
    println!("{}", measure.table);
    done
}

struct Measure {
    args: Args,
    setup: Setup,
    clusters: Clusters,
    topics: Topics,
    table: Table,
}

impl Measure {
    async fn all(&mut self) -> Result<(), String> {
        let operator = self.starts().await?;
        self.one_by_one(&operator).await?;
        let operator = self.at_once(operator).await?;
        self.topics(&operator).await?;
        operator.stop().await?;
        let (operator, took) = self.start().await?;
        self.table.row("start to leading, with all of that", seconds(took));
        sleep(IDLE).await;
        self.memory("started anew with all of that, idle", &operator)?;
        operator.stop().await
    }

    async fn start(&self) -> Result<(Operator, Duration), String> {
        Operator::start(&self.args.operator, &self.setup, &self.args.work).await
    }

    /// Leaves the last one running.
    async fn starts(&mut self) -> Result<Operator, String> {
        let (mut operator, took) = self.start().await?;
        let mut times = vec![took];
        for _ in 1..STARTS {
            operator.stop().await?;
            let (next, took) = self.start().await?;
            operator = next;
            times.push(took);
        }
        self.table.row("start to leading, no cluster, median of 5", seconds(median(&times)));
        sleep(IDLE).await;
        self.memory("no cluster", &operator)?;
        Ok(operator)
    }

    async fn one_by_one(&mut self, operator: &Operator) -> Result<(), String> {
        let mut times = Vec::new();
        for index in 0..self.args.clusters {
            let name = format!("single-{index}");
            self.clusters.create(&name).await?;
            times.push(self.clusters.ready(&name).await?);
            if index + 1 == 10 {
                sleep(IDLE).await;
                self.memory("10 clusters, idle", operator)?;
            }
        }
        self.spec_to_ready("one by one", &times);
        sleep(IDLE).await;
        self.memory(&format!("{} clusters, idle", times.len()), operator)?;
        self.clusters.delete_all().await
    }

    async fn at_once(&mut self, operator: Operator) -> Result<Operator, String> {
        operator.stop().await?;
        let (operator, _) = self.start().await?;
        let names: Vec<String> =
            (0..self.args.clusters).map(|index| format!("crowd-{index}")).collect();
        for name in &names {
            self.clusters.create(name).await?;
        }
        let mut times = Vec::new();
        for name in &names {
            times.push(self.clusters.ready(name).await?);
        }
        self.spec_to_ready("all at once", &times);
        sleep(IDLE).await;
        self.memory(&format!("{} clusters made at once, idle", names.len()), &operator)?;
        Ok(operator)
    }

    async fn topics(&mut self, operator: &Operator) -> Result<(), String> {
        let times = self.topics.changes(self.args.clusters, CHANGES).await?;
        let of = |part| seconds(quantile(&times, part));
        self.table.row("KafkaTopic changed to Ready, p50", of(0.5));
        self.table.row("KafkaTopic changed to Ready, p99", of(0.99));
        let (first, all) = (self.args.topics, self.args.topics_all);
        self.apply_topics("thousand", first, 1, operator).await?;
        let rest = all.saturating_sub(self.topics.count());
        self.apply_topics("rest", rest, self.args.clusters, operator).await?;
        sleep(IDLE).await;
        let state = format!("{} clusters and {} topics", self.args.clusters, self.topics.count());
        self.memory(&format!("{state}, idle"), operator)?;
        let before = operator.cpu()?;
        sleep(IDLE_MEASURED).await;
        let used = (operator.cpu()? - before) / IDLE_MEASURED.as_secs_f64() * 60.0;
        self.table.row(&format!("{state}, CPU of an idle minute"), format!("{used:.2} s"));
        Ok(())
    }

    async fn apply_topics(
        &mut self,
        prefix: &str,
        count: usize,
        clusters: usize,
        operator: &Operator,
    ) -> Result<(), String> {
        if count == 0 {
            return Ok(());
        }
        let cpu = operator.cpu()?;
        let (applied, ready) = self.topics.apply(&self.args.work, prefix, count, clusters).await?;
        let cpu = operator.cpu()? - cpu;
        let what = format!("{count} KafkaTopics of {clusters} cluster(s)");
        self.table.row(&format!("{what}, kubectl apply"), seconds(applied));
        self.table.row(&format!("{what}, all Ready since it began"), seconds(ready));
        self.table.row(&format!("{what}, CPU of the operator meanwhile"), format!("{cpu:.2} s"));
        self.memory(&format!("{what} made"), operator)
    }

    fn spec_to_ready(&mut self, how: &str, times: &[clusters::Times]) {
        let mut row = |what: &str, of: fn(&clusters::Times) -> Duration| {
            let all: Vec<Duration> = times.iter().map(of).collect();
            let (p50, p99) = (seconds(quantile(&all, 0.5)), seconds(quantile(&all, 0.99)));
            let what = format!("{} clusters {how}, {what}: p50 / p99", all.len());
            self.table.row(&what, format!("{p50} / {p99}"));
        };
        row("created to Ready", |times| times.ready);
        row("of which until the last pod is there", |times| times.pods);
        row("of which until the last pod has a machine", |times| times.placed);
    }

    fn memory(&mut self, state: &str, operator: &Operator) -> Result<(), String> {
        let memory = operator.memory()?;
        let text = format!(
            "{:.1} MiB (anonymous {:.1}, peak {:.1})",
            memory.resident, memory.anonymous, memory.peak
        );
        self.table.row(&format!("{state}, RSS"), text);
        self.table.load(state);
        Ok(())
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
