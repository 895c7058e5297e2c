//! From three nodes to five and back, brokers and controllers at once, under load.

use super::{ROLL, Three, verdict};
use crate::clock::{now, since_ms};
use crate::end::{End, Outcome};
use crate::stage::Stage;
use crate::wait::until;

pub(crate) fn run(stage: &mut Stage<'_>) -> Outcome {
    let three = Three::new(stage, "scale")?;
    let mut load = three.load(stage)?;
    let since = now();
    three.namespace.kubectl(&["scale", "kafkanodepool/all", "--replicas=5"])?;
    nodes(&three, 5)?;
    three.settled(ROLL)?;
    stage.number("from three nodes to five", since_ms(since), "ms");
    let leaders = load.state()?.leaders;
    println!("    led by {leaders:?}");
    let since = now();
    three.namespace.kubectl(&["scale", "kafkanodepool/all", "--replicas=3"])?;
    nodes(&three, 3)?;
    three.settled(ROLL)?;
    stage.number("from five nodes to three", since_ms(since), "ms");
    let brokers: Vec<i32> = load.state()?.brokers.into_keys().collect();
    End::unless(brokers == [0, 1, 2], || format!("brokers {brokers:?} are left"))?;
    let claims = three.namespace.kubectl(&["get", "pvc", "-o", "name"])?;
    End::unless(claims.lines().count() == 5, || format!("disks are not kept: {claims}"))?;
    verdict(stage, load)
}

fn nodes(three: &Three, count: usize) -> Result<(), String> {
    let counted = until(&format!("{count} nodes"), ROLL, || {
        let there = three.pods()?;
        if there.len() == count { Ok(()) } else { Err(format!("{there:?}")) }
    });
    counted.map_err(|error| three.explain(&error))
}
