//! The Java process: its heap and its options.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use klamm_crd::KafkaNodePoolSpec;

use super::super::quantity;
use super::Findings;

const MIB: u128 = 1 << 20;
/// Without a limit and a request nobody says how much there is.
const HEAP_MIB_DEFAULT: u64 = 512;
/// Kafka works in the page cache; a larger heap only takes from it.
const HEAP_MIB_DEFAULT_MAX: u64 = 6 << 10;
/// Java does not start with less than that.
const HEAP_MIB_MIN: u64 = 64;

/// The heap in MiB.
pub(super) fn check(pool: &str, spec: &KafkaNodePoolSpec, found: &mut Findings) -> u64 {
    check_options(pool, &spec.jvm.options, found);
    let memory = |which: fn(
        &k8s_openapi::api::core::v1::ResourceRequirements,
    ) -> &Option<std::collections::BTreeMap<String, Quantity>>| {
        which(spec.resources.as_ref()?).as_ref()?.get("memory").cloned()
    };
    let (limit, request) = (memory(|r| &r.limits), memory(|r| &r.requests));
    for (field, quantity) in [("limits", &limit), ("requests", &request)] {
        if let Some(quantity) = quantity
            && quantity::whole(quantity).is_none()
        {
            let wrong = format!("is {:?}, which is no quantity", quantity.0);
            found.pool(
                pool,
                format!("spec.resources.{field}.memory"),
                wrong,
                "write it as Kubernetes does, such as 8Gi",
            );
        }
    }
    let mib = |quantity: &Quantity| quantity::whole(quantity).map(|bytes| bytes / MIB);
    let limit_mib = limit.as_ref().and_then(mib);
    let Some(heap) = &spec.jvm.heap else {
        let memory = limit_mib.or_else(|| request.as_ref().and_then(mib));
        return memory.map_or(HEAP_MIB_DEFAULT, |mib| {
            u64::try_from(mib / 2).unwrap_or(u64::MAX).clamp(HEAP_MIB_MIN, HEAP_MIB_DEFAULT_MAX)
        });
    };
    let Some(heap_mib) = parse(heap).filter(|mib| *mib >= HEAP_MIB_MIN) else {
        let wrong = format!("is {heap:?}");
        found.pool(
            pool,
            "spec.jvm.heap",
            wrong,
            "write mebibytes or gibibytes, 64m at least, such as 4g",
        );
        return HEAP_MIB_DEFAULT;
    };
    if let (Some(limit), Some(mib)) = (&limit, limit_mib)
        && u128::from(heap_mib) >= mib
    {
        let wrong = format!("is {heap}, and the memory limit is {}", limit.0);
        let remedy = "Java needs more than its heap, and Kafka the page cache: set about half of the limit, or leave it out";
        found.pool(pool, "spec.jvm.heap", wrong, remedy);
    }
    heap_mib
}

fn parse(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "m" | "M" => Some(number),
        "g" | "G" => number.checked_mul(1 << 10),
        _ => None,
    }
}

/// Kafka's scripts take options apart at spaces.
fn check_options(pool: &str, options: &[String], found: &mut Findings) {
    for (index, option) in options.iter().enumerate() {
        let field = format!("spec.jvm.options[{index}]");
        if ["-Xmx", "-Xms"].iter().any(|heap| option.starts_with(heap)) {
            found.pool(pool, field, format!("is {option}"), "set spec.jvm.heap");
        } else if !option.starts_with('-') || option.contains(char::is_whitespace) {
            let remedy = "write one option, with its hyphen and without spaces, in each entry";
            found.pool(pool, field, format!("is {option:?}"), remedy);
        }
    }
}
