//! Tables in Markdown, and numbers as people read them.

/// A table; the first column is of words, the others are of numbers.
pub(super) fn markdown(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = head.iter().enumerate().map(|(column, _)| if column == 0 { "---" } else { "---:" }.to_owned());
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    line(&head) + &line(&rule.collect::<Vec<_>>()) + &body
}

/// A time in the unit that fits it, with three digits.
pub(super) fn time(ms: f64) -> String {
    match ms {
        ms if ms < 9.995 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => {
            let seconds = ms / 1e3;
            let decimals = if seconds < 9.995 { 2 } else { 1 };
            format!("{seconds:.decimals$} s")
        }
    }
}

/// How many times one is the other.
pub(super) fn ratio(ratio: f64) -> String {
    let decimals = if ratio < 9.95 { 2 } else { 0 };
    format!("{ratio:.decimals$} ×")
}

/// Memory, from MB.
pub(super) fn memory(megabytes: f64) -> String {
    format!("{megabytes:.1} MB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_head_and_a_row_for_each() {
        let rows = vec![vec!["up".to_owned(), "1 ms".to_owned()], vec!["plan".to_owned(), "2 ms".to_owned()]];
        let expected = "| | median |\n| --- | ---: |\n| up | 1 ms |\n| plan | 2 ms |\n";
        assert_eq!(markdown(&["", "median"], &rows).replace("|  |", "| |"), expected);
    }

    #[test]
    fn numbers_have_as_many_digits_as_are_worth_reading() {
        let times = [
            (0.42, "0.4 ms"),
            (9.999, "10 ms"),
            (196.4, "196 ms"),
            (999.6, "1.00 s"),
            (2610.0, "2.61 s"),
            (23_456.0, "23.5 s"),
        ];
        for (ms, text) in times {
            assert_eq!(time(ms), text);
        }
        for (value, text) in [(1.456, "1.46 ×"), (9.96, "10 ×"), (117.2, "117 ×")] {
            assert_eq!(ratio(value), text);
        }
        assert_eq!(memory(12.34), "12.3 MB");
    }
}
