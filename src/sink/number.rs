//! Numbers as text and as Java's `BigDecimal`, in forms that every language can reproduce.

/// The shortest decimal text that reads back as the same `f64`, laid out as ECMAScript's
/// `Number::toString` does (ECMA-262, 6.1.6.1.20; RFC 8785 uses it too): `1`, `-0.5`, `123456.75`,
/// `1e+21`, `1.5e-7`; digits up to 10^21 without exponent, below 10^-6 with one. Unlike there,
/// negative zero is `-0`. `None` for NaN and infinities, which MySQL does not store.
pub fn shortest_f64(number: f64) -> Option<String> {
    number.is_finite().then(|| lay_out(&format!("{number:e}")))
}

/// [`shortest_f64`] for an `f32`: the shortest text that reads back as the same `f32`.
pub fn shortest_f32(number: f32) -> Option<String> {
    number.is_finite().then(|| lay_out(&format!("{number:e}")))
}

/// From Rust's `d.ddde-x`, which has the shortest digits, to ECMAScript's layout.
fn lay_out(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(|digit| *digit != '.').collect();
    // The number is 0.DIGITS times ten to the power of `point`.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = digits.len() as i32;
    match point {
        _ if digits == "0" => format!("{sign}0"),
        1..=21 if count <= point => format!("{sign}{digits}{}", "0".repeat((point - count) as usize)),
        1..=21 => format!("{sign}{}.{}", &digits[..point as usize], &digits[point as usize..]),
        -5..=0 => format!("{sign}0.{}{digits}", "0".repeat(-point as usize)),
        _ => {
            let fraction = if count > 1 { format!(".{}", &digits[1..]) } else { String::new() };
            format!("{sign}{}{fraction}e{:+}", &digits[..1], point - 1)
        }
    }
}

/// HBase's `Bytes.toBytes(BigDecimal)`: the scale as 4 bytes big-endian, then the unscaled value
/// as `BigInteger.toByteArray`: two's complement, big-endian, as short as the sign allows.
/// `None` when `text` is not a decimal number with exactly `scale` digits after the point.
pub fn big_decimal(text: &str, scale: u8) -> Option<Vec<u8>> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() != usize::from(scale) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut magnitude = Vec::new();
    for digit in whole.chars().chain(fraction.chars()) {
        multiply_add(&mut magnitude, digit.to_digit(10)?);
    }
    let mut bytes = u32::from(scale).to_be_bytes().to_vec();
    bytes.extend(twos_complement(magnitude, negative));
    Some(bytes)
}

/// `magnitude * 10 + digit`, little-endian bytes.
fn multiply_add(magnitude: &mut Vec<u8>, digit: u32) {
    let mut carry = digit;
    for byte in magnitude.iter_mut() {
        let product = u32::from(*byte) * 10 + carry;
        *byte = product as u8;
        carry = product >> 8;
    }
    if carry > 0 {
        magnitude.push(carry as u8);
    }
}

/// From a little-endian magnitude to the shortest big-endian two's complement.
fn twos_complement(mut number: Vec<u8>, negative: bool) -> Vec<u8> {
    number.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut number {
            let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, overflow);
        }
    }
    let redundant = |pair: &[u8]| (pair[1] == 0 && pair[0] < 0x80) || (pair[1] == 0xff && pair[0] >= 0x80);
    while number.len() > 1 && redundant(&number[number.len() - 2..]) {
        number.pop();
    }
    number.reverse();
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floating_point_text_is_laid_out_as_ecmascript_does() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (123_456.75, "123456.75"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e100, "1e+100"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ];
        for (number, text) in cases {
            assert_eq!(shortest_f64(number).as_deref(), Some(text));
        }
        assert_eq!(shortest_f32(0.1).as_deref(), Some("0.1"));
        assert_eq!(shortest_f32(16_777_216.0).as_deref(), Some("16777216"));
        assert_eq!(shortest_f32(f32::MAX).as_deref(), Some("3.4028235e+38"));
        assert_eq!(shortest_f64(f64::NAN), None);
        assert_eq!(shortest_f32(f32::INFINITY), None);
    }

    #[test]
    fn decimals_have_the_bytes_of_javas_big_decimal() {
        let cases = [
            ("0", 0, "0000000000"),
            ("1.00", 2, "0000000264"),
            ("-1.00", 2, "000000029c"),
            ("1.27", 2, "000000027f"),
            ("1.28", 2, "000000020080"),
            ("-1.28", 2, "0000000280"),
            ("-1.29", 2, "00000002ff7f"),
            ("256", 0, "000000000100"),
            ("-0.5", 1, "00000001fb"),
        ];
        for (text, scale, bytes) in cases {
            assert_eq!(big_decimal(text, scale).map(hex::encode).as_deref(), Some(bytes), "{text}");
        }
        for (text, scale) in [("", 0), ("1.0", 2), ("1.000", 2), ("1a", 0), ("--1", 0), (".", 0)] {
            assert_eq!(big_decimal(text, scale), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn floating_point_text_reads_back_equal(bits in any::<u64>(), bits32 in any::<u32>()) {
            if let Some(text) = shortest_f64(f64::from_bits(bits)) {
                prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            }
            if let Some(text) = shortest_f32(f32::from_bits(bits32)) {
                prop_assert_eq!(text.parse::<f32>().unwrap().to_bits(), bits32);
            }
        }

        #[test]
        fn decimals_within_64_bits_are_their_unscaled_integer(number in any::<i64>()) {
            let bytes = big_decimal(&number.to_string(), 0).unwrap();
            let fill = if number < 0 { 0xff } else { 0 };
            let mut wide = vec![fill; 12 - bytes.len()];
            wide.extend(&bytes[4..]);
            prop_assert_eq!(i64::from_be_bytes(wide.try_into().unwrap()), number);
        }
    }
}
