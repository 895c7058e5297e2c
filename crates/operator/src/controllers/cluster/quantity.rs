//! Kubernetes' quantities: `500m`, `10Gi`, `1e3`.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// More digits than anybody writes; 18 times the largest suffix (2^60) and 18 decimals fit into 128 bits.
const DIGITS_MAX: usize = 18;

/// The whole number, rounded up as Kubernetes does: bytes of a disk or of memory. `None` if it is no quantity, or negative.
pub fn whole(quantity: &Quantity) -> Option<u128> {
    let text = quantity.0.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > DIGITS_MAX || fraction.contains('.') {
        return None;
    }
    let (multiplier, divisor) = scale(suffix)?;
    let divisor = divisor.checked_mul(10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    Some(digits.parse::<u128>().ok()?.checked_mul(multiplier)?.div_ceil(divisor))
}

/// What a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let binary = |power: u32| Some((1 << (10 * power), 1));
    let decimal = |power: u32| Some((10u128.pow(3 * power), 1));
    match suffix {
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "" => decimal(0),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => exponent(suffix),
    }
}

fn exponent(suffix: &str) -> Option<(u128, u128)> {
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = (exponent.unsigned_abs() <= 18).then(|| 10u128.pow(exponent.unsigned_abs()))?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u128>) {
        assert_eq!(whole(&Quantity(text.into())), expected, "{text}");
    }

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        check("10Gi", Some(10 << 30));
        check("10G", Some(10_000_000_000));
        check("1.5Gi", Some(3 << 29));
        check("0.5", Some(1));
        check("1500m", Some(2));
        check("1E", Some(1_000_000_000_000_000_000));
        check("1E3", Some(1_000));
        check("12e-1", Some(2));
        check("+1", Some(1));
        check("1.", Some(1));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "Gi", "-1", "1 Gi", "1gi", "1.2.3", "1e99", "9999999999999999999"] {
            check(text, None);
        }
    }
}
