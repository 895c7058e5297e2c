//! Messages from each side to the other.

use std::process::Command;

use klamm_testkit::{Klamm, Process, Skip, run, run_with_input};

use crate::world::World;

pub fn mosquitto_pub_is_read_by_kcat_with_key_and_headers(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    for version in ["mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let mut publish = world.mosquitto_pub(&klamm, version, qos)?;
            publish.args(["-i", &format!("{version}-{qos}"), "-t", &format!("{version}/{qos}")]);
            publish.args(["-m", &format!("value of {version} {qos}")]);
            if version == "mqttv5" {
                publish.args(["-D", "publish", "user-property", "unit", "C"]);
                publish.args(["-D", "publish", "user-property", "unit", "K"]);
                publish.args(["-D", "publish", "content-type", "text/plain"]);
                publish.args(["-D", "publish", "response-topic", "answers/here"]);
                publish.args(["-D", "publish", "correlation-data", "c1"]);
            }
            run("mosquitto_pub", publish).expect_success();
        }
    }
    let lines = world.kcat_reads(&klamm, 6, "%k|%s|,%h,\n")?;
    assert_eq!(lines.len(), 6, "{lines:#?}");
    for version in ["mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let start = format!("{version}/{qos}|value of {version} {qos}|");
            let line = lines.iter().find(|line| line.starts_with(&start));
            let line = line.unwrap_or_else(|| panic!("no {start} in {lines:#?}"));
            let mut headers = vec![format!("mqtt.qos={qos}"), format!("mqtt.cid={version}-{qos}")];
            if version == "mqttv5" {
                let more =
                    "unit=C,unit=K mqtt.ct=text/plain mqtt.response=answers/here mqtt.corr=c1";
                headers.extend(more.split(' ').map(str::to_owned));
            }
            for header in headers {
                assert!(line.contains(&format!(",{header},")), "no {header} in {line}");
            }
        }
    }
    Ok(())
}

/// mosquitto_sub in a process of its own, once it has its SUBACK.
fn mosquitto_sub(world: &World<'_>, klamm: &Klamm, args: &[&str]) -> Result<Process, Skip> {
    let program = world.peers().program("mosquitto_sub")?;
    // It writes to a pipe by the block; a line at a time lets a test see what comes.
    let mut command = Command::new("stdbuf");
    command.arg("-oL").arg(program.get_program());
    let port = klamm.mqtt_port().to_string();
    command.args(["-d", "-h", "127.0.0.1", "-p", &port, "-W", "60"]).args(args);
    let process = Process::start("mosquitto_sub", command);
    let told = |text: &str| {
        let (_, granted) = text.split_once("Subscribed (mid: 1): ")?;
        granted.split_once('\n').map(|(granted, _)| granted.to_owned())
    };
    let granted = process.wait_for("SUBACK", told);
    assert!(["0", "1", "2"].contains(&&*granted), "refused: {granted}");
    Ok(process)
}

pub fn kcat_is_read_by_mosquitto_sub(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let format = "got %t|%q|%p|%C|%R|%D|%P";
    let v5 = ["-V", "mqttv5", "-q", "2", "-t", "plant/#", "-C", "2", "-F", format];
    let v5 = mosquitto_sub(world, &klamm, &v5)?;
    let v3 = ["-V", "mqttv311", "-q", "0", "-t", "plant/+", "-C", "2", "-F", "got %t|%q|%p"];
    let v3 = mosquitto_sub(world, &klamm, &v3)?;

    let mut headers = kcat_produces(world, &klamm)?;
    for header in
        ["unit=C", "mqtt.ct=text/plain", "mqtt.response=answers/here", "mqtt.corr=c1", "mqtt.qos=2"]
    {
        headers.args(["-H", header]);
    }
    run_with_input("kcat", headers, b"plant/1:warm\n").expect_success();
    run_with_input("kcat", kcat_produces(world, &klamm)?, b"plant/2:cold\n").expect_success();

    let got = |process: Process| {
        let output = process.finish().expect_success();
        let mut lines: Vec<String> =
            output.lines().filter(|line| line.starts_with("got ")).map(str::to_owned).collect();
        // The two keys lie in partitions of their own: no order between them.
        lines.sort();
        lines
    };
    let warm = "got plant/1|2|warm|text/plain|answers/here|c1|unit:C";
    assert_eq!(got(v5), [warm, "got plant/2|1|cold||||"]);
    assert_eq!(got(v3), ["got plant/1|0|warm", "got plant/2|0|cold"]);
    Ok(())
}

/// kcat that produces lines of `key:value`.
fn kcat_produces(world: &World<'_>, klamm: &Klamm) -> Result<Command, Skip> {
    let mut kcat = world.peers().program("kcat")?;
    kcat.args(["-P", "-b", &klamm.kafka(), "-t", &world.topic(), "-K", ":"]);
    kcat.args(["-X", "acks=all"]);
    Ok(kcat)
}

pub fn every_qos_in_both_versions_arrives_once_and_in_order(world: &World<'_>) -> Result<(), Skip> {
    let klamm = world.klamm(&[])?;
    let mut script = world.peers().python("mqtt_qos.py")?;
    script.args([&klamm.mqtt_port().to_string(), "paho"]);
    assert_eq!(run("mqtt_qos.py", script).expect_success().trim(), "ok");
    // 2 versions, 3 times 3 QoS, 40 messages, and one with properties: each stored once.
    let mut values = world.values(&klamm);
    assert_eq!(values.len(), 2 * 9 * 40 + 1);
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 2 * 9 * 40 + 1, "a message was stored twice");
    Ok(())
}
