//! Licence expressions as crates declare them (SPDX, and the older "MIT/Apache-2.0").

/// Whether `expression` can be satisfied with licences that are `allowed`. The error says why the expression
/// cannot be read.
pub(crate) fn permitted(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let tokens = tokens(expression);
    let mut parser = Parser { tokens: &tokens, allowed };
    let permitted = parser.any_of()?;
    match parser.tokens {
        [] => Ok(permitted),
        [token, ..] => Err(format!("unexpected {token:?} in {expression:?}")),
    }
}

fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Parser<'a> {
    tokens: &'a [String],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<bool, String> {
        let mut permitted = self.all_of()?;
        while self.accept("OR") {
            permitted |= self.all_of()?;
        }
        Ok(permitted)
    }

    fn all_of(&mut self) -> Result<bool, String> {
        let mut permitted = self.term()?;
        while self.accept("AND") {
            permitted &= self.term()?;
        }
        Ok(permitted)
    }

    fn term(&mut self) -> Result<bool, String> {
        if self.accept("(") {
            let permitted = self.any_of()?;
            return if self.accept(")") { Ok(permitted) } else { Err("a parenthesis stays open".to_owned()) };
        }
        let mut licence = self.name()?;
        if self.accept("WITH") {
            licence = format!("{licence} WITH {}", self.name()?);
        }
        Ok((self.allowed)(&licence))
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens {
            [name, rest @ ..] if !["(", ")", "AND", "OR", "WITH"].contains(&name.as_str()) => {
                self.tokens = rest;
                Ok(name.clone())
            }
            [other, ..] => Err(format!("{other:?} where a licence belongs")),
            [] => Err("the expression ends where a licence belongs".to_owned()),
        }
    }

    fn accept(&mut self, word: &str) -> bool {
        match self.tokens {
            [first, rest @ ..] if first == word => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::permitted;

    #[test]
    fn expressions_of_real_crates() {
        let allowed = |licence: &str| ["MIT", "Apache-2.0", "Unicode-3.0"].contains(&licence);
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 / MIT", true),
            ("Unlicense OR MIT", true),
            ("MIT OR Apache-2.0 OR LGPL-2.1-or-later", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 AND ISC", false),
            ("GPL-2.0 OR Apache-2.0 AND ISC", false),
            ("ISC AND MIT OR MIT", true),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("((MIT))", true),
        ];
        for (expression, expected) in cases {
            assert_eq!(permitted(expression, &allowed), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_no_permission() {
        for expression in ["", "OR", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "MIT WITH", "AND MIT"] {
            assert!(permitted(expression, &|_| true).is_err(), "{expression:?} was read");
        }
    }
}
