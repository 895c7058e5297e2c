//! From three nodes to five and back, brokers and controllers at once, under load.

use super::{Example, ROLL, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::stage::Stage;
use crate::wait::until;

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let example = Example::three(stage, "scale")?;
    let mut load = example.load(stage)?;
    let since = now();
    example.namespace.kubectl(&["scale", "kafkanodepool/all", "--replicas=5"])?;
    nodes(&example, 5)?;
    example.settled(ROLL)?;
    stage.number("from three nodes to five", since_ms(since), "ms");
    let leaders = load.state()?.leaders;
    println!("    led by {leaders:?}");
    let since = now();
    example.namespace.kubectl(&["scale", "kafkanodepool/all", "--replicas=3"])?;
    nodes(&example, 3)?;
    example.settled(ROLL)?;
    stage.number("from five nodes to three", since_ms(since), "ms");
    let brokers: Vec<i32> = load.state()?.brokers.into_keys().collect();
    End::unless(brokers == [0, 1, 2], || format!("brokers {brokers:?} are left"))?;
    let claims = example.namespace.kubectl(&["get", "pvc", "-o", "name"])?;
    End::unless(claims.lines().count() == 5, || format!("disks are not kept: {claims}"))?;
    verdict(stage, load)
}

fn nodes(example: &Example, count: usize) -> Result<(), String> {
    let counted = until(&format!("{count} nodes"), ROLL, || {
        let there = example.pods()?;
        if there.len() == count { Ok(()) } else { Err(format!("{there:?}")) }
    });
    counted.map_err(|error| example.explain(&error))
}
