//! The header `baggage`: finds, removes and adds one member, and leaves the others as they are, byte for byte.

use super::outcome::TokenOutcome;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header; a request may have several lines of it.
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The name of the member that carries a token.
pub(super) const MEMBER: &str = "tracing-tap";

/// The bounds of W3C Baggage, within which a platform must pass everything on: all lines as one, and all members.
const MAX_BYTES: usize = 8_192;
const MAX_MEMBERS: usize = 64;

/// The members of our name that a request had.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// The text after each name and its `=`; `None` if there is no `=`, or the text is not UTF-8.
    values: Vec<Option<String>>,
    has_wrong_case: bool,
    is_oversize: bool,
}

/// The sum of all lines.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    bytes: usize,
    members: usize,
}

impl Found {
    /// The token, if there is exactly one, within the bounds.
    pub(super) fn only(&self) -> Result<&str, TokenOutcome> {
        match &*self.values {
            _ if self.has_wrong_case => Err(TokenOutcome::WrongCase),
            _ if self.is_oversize => Err(TokenOutcome::Oversize),
            [Some(value)] => Ok(value),
            [None] | [] => Err(TokenOutcome::Malformed),
            _ => Err(TokenOutcome::Duplicated),
        }
    }
}

/// Whether there is a member of our name, in any case.
pub(super) fn is_named_in(headers: &HeaderMap) -> bool {
    headers.get_all(BAGGAGE).iter().any(|line| members(line).any(is_ours))
}

/// Removes the members of our name; `None` if there are none.
pub(super) fn take(headers: &mut HeaderMap) -> Option<Found> {
    if !is_named_in(headers) {
        return None;
    }
    let is_oversize = !Size::of(headers).fits();
    let lines: Vec<HeaderValue> = headers.get_all(BAGGAGE).iter().cloned().collect();
    let ours = || lines.iter().flat_map(members).filter(|member| is_ours(member));
    let has_wrong_case = ours().any(|member| name_of(member) != MEMBER.as_bytes());
    let values = ours().map(value_of).collect();
    headers.remove(BAGGAGE);
    for line in lines {
        headers.extend(without_ours(line).map(|line| (BAGGAGE, line)));
    }
    Some(Found { values, has_wrong_case, is_oversize })
}

/// Adds a member of our name, in a line of its own. Returns whether there was room.
pub(super) fn add(headers: &mut HeaderMap, token: &str) -> bool {
    let Ok(mut line) = HeaderValue::try_from(format!("{MEMBER}={token}")) else { return false };
    if !Size::of(headers).with(&line).fits() {
        return false;
    }
    // It is not for logs, and not for the tables of HTTP/2.
    line.set_sensitive(true);
    headers.try_append(BAGGAGE, line).is_ok()
}

/// The line without our members; `None` if it had no others.
fn without_ours(line: HeaderValue) -> Option<HeaderValue> {
    if !members(&line).any(is_ours) {
        return Some(line);
    }
    let others: Vec<_> = members(&line).filter(|member| !is_ours(member)).collect();
    if others.iter().all(|member| member.trim_ascii().is_empty()) {
        return None;
    }
    let mut kept = HeaderValue::from_bytes(&others.join(&b','))
        .expect("parts of a header's value, with commas between them, are a header's value");
    kept.set_sensitive(line.is_sensitive());
    Some(kept)
}

/// The members of a line, with the blanks around them.
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b',')
}

fn name_of(member: &[u8]) -> &[u8] {
    member.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default().trim_ascii()
}

fn is_ours(member: impl AsRef<[u8]>) -> bool {
    name_of(member.as_ref()).eq_ignore_ascii_case(MEMBER.as_bytes())
}

/// The text after the name and its `=`. Properties stay in it, so that it is no token.
fn value_of(member: &[u8]) -> Option<String> {
    let at = member.iter().position(|byte| matches!(byte, b'=' | b';'))?;
    let value = (member[at] == b'=').then(|| member[at + 1..].trim_ascii())?;
    str::from_utf8(value).ok().map(str::to_owned)
}

impl Size {
    fn of(headers: &HeaderMap) -> Self {
        headers.get_all(BAGGAGE).iter().fold(Self::default(), Self::with)
    }

    /// The size with one more line, after a comma if it is not the first.
    fn with(self, line: &HeaderValue) -> Self {
        let comma = usize::from(self.members > 0 || self.bytes > 0);
        let members = members(line).filter(|member| !member.trim_ascii().is_empty()).count();
        Self { bytes: self.bytes + comma + line.len(), members: self.members + members }
    }

    fn fits(self) -> bool {
        self.bytes <= MAX_BYTES && self.members <= MAX_MEMBERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let line = |line: &&str| (BAGGAGE, HeaderValue::from_bytes(line.as_bytes()).expect("it is a value"));
        lines.iter().map(line).collect()
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let text = |line: &HeaderValue| String::from_utf8(line.as_bytes().to_vec()).expect("it is text");
        headers.get_all(BAGGAGE).iter().map(text).collect()
    }

    #[track_caller]
    fn check(before: &[&str], only: Result<&str, TokenOutcome>, after: &[&str]) {
        let mut headers = headers(before);
        let found = take(&mut headers).expect("there is a member");
        assert_eq!(found.only(), only, "{before:?}");
        assert_eq!(lines(&headers), after, "{before:?}");
        assert!(!is_named_in(&headers) && take(&mut headers).is_none());
    }

    #[test]
    fn a_member_is_found_and_all_others_stay_as_they_are() {
        check(&["tracing-tap=a"], Ok("a"), &[]);
        check(&["x=1 ;p=q , tracing-tap = a\t,y=%20"], Ok("a"), &["x=1 ;p=q ,y=%20"]);
        check(&["x=1", "tracing-tap=a", "y=é,,"], Ok("a"), &["x=1", "y=é,,"]);
        check(&["tracing-tap=a, x=1"], Ok("a"), &[" x=1"]);
        check(&["tracing-tap=a,", "x"], Ok("a"), &["x"]);
        check(&["tracing-tap=a=b"], Ok("a=b"), &[]);
    }

    #[test]
    fn a_doubtful_member_is_removed_and_says_why() {
        check(&["tracing-tap=a,tracing-tap=a"], Err(TokenOutcome::Duplicated), &[]);
        check(&["tracing-tap=a", "x=1", "tracing-tap=b"], Err(TokenOutcome::Duplicated), &["x=1"]);
        check(&["Tracing-Tap=a"], Err(TokenOutcome::WrongCase), &[]);
        check(&["TRACING-TAP=a,tracing-tap=b"], Err(TokenOutcome::WrongCase), &[]);
        check(&["tracing-tap"], Err(TokenOutcome::Malformed), &[]);
        check(&["tracing-tap;a=b"], Err(TokenOutcome::Malformed), &[]);
        let many = ["x=1,".repeat(64), "tracing-tap=a".to_owned()].concat();
        check(&[&many], Err(TokenOutcome::Oversize), &[&"x=1,".repeat(64)[..255]]);
        let long = format!("x={}", "1".repeat(8_192));
        check(&[&long, "tracing-tap=a"], Err(TokenOutcome::Oversize), &[&long]);
    }

    #[test]
    fn other_names_are_not_ours() {
        for line in ["tracing-tap2=a", "x=tracing-tap", "x=1;tracing-tap=a", "", ",", "=tracing-tap", "tracing tap=a"] {
            let mut headers = headers(&[line]);
            assert_eq!(take(&mut headers), None, "{line}");
            assert_eq!(lines(&headers), [line]);
        }
        assert_eq!(take(&mut HeaderMap::new()), None);
    }

    #[test]
    fn a_member_is_added_where_all_baggage_stays_within_bounds() {
        let added = |before: &[&str]| {
            let mut headers = headers(before);
            let has_room = add(&mut headers, "a");
            assert_eq!(lines(&headers)[..before.len()], *before, "others are untouched");
            assert_eq!(lines(&headers).len(), before.len() + usize::from(has_room));
            has_room
        };
        assert!(added(&[]) && added(&["x=1", "y=1"]));
        // `,tracing-tap=a` has 14 bytes.
        let [fits, is_too_long] = [8_178, 8_179].map(|bytes| format!("x={}", "1".repeat(bytes - 2)));
        assert!(added(&[&fits]) && !added(&[&is_too_long]));
        let [fits, are_too_many] = [63, 64].map(|count| vec!["x=1"; count]);
        assert!(added(&fits) && !added(&are_too_many));
        assert!(added(&[&fits.join(",")]) && !added(&[&are_too_many.join(",")]));
    }

    #[test]
    fn a_token_is_marked_as_sensitive() {
        let mut headers = headers(&["x=1"]);
        assert!(add(&mut headers, "a"));
        assert!(!format!("{headers:?}").contains("tracing-tap"));
    }

    #[test]
    fn a_request_with_as_many_headers_as_there_can_be_gets_no_token() {
        let mut headers = HeaderMap::new();
        let name = |number: usize| HeaderName::try_from(format!("x-{number}")).expect("it is a name");
        while headers.try_append(name(headers.len()), HeaderValue::from_static("1")).is_ok() {}
        assert!(!add(&mut headers, "a"));
    }

    /// Members of others, and of ours in several cases, with blanks around them.
    fn member() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[ \t]{0,2}[a-z-]{1,12}[ =;a-zA-Z0-9%.é]{0,12}",
            1 => "[ \t]{0,2}[tT]racing-tap[ ]?=?[a-z0-9.;]{0,8}[ ]?",
            1 => "[ \t]{0,2}",
        ]
    }

    fn any_lines() -> impl Strategy<Value = Vec<Vec<String>>> {
        prop::collection::vec(prop::collection::vec(member(), 1..5), 0..5)
    }

    proptest! {
        #[test]
        fn all_other_baggage_stays_byte_for_byte(lines in any_lines()) {
            let joined: Vec<_> = lines.iter().map(|members| members.join(",")).collect();
            let mut headers: HeaderMap = headers(&joined.iter().map(String::as_str).collect::<Vec<_>>());
            let foreign = |headers: &HeaderMap| -> Vec<Vec<u8>> {
                let all = headers.get_all(BAGGAGE).iter().flat_map(members);
                all.filter(|member| !is_ours(member) && !member.trim_ascii().is_empty()).map(<[u8]>::to_vec).collect()
            };
            let (before, untouched) = (foreign(&headers), headers.clone());
            let found = take(&mut headers);
            prop_assert_eq!(foreign(&headers), before.clone());
            prop_assert!(!is_named_in(&headers));
            if found.is_none() {
                prop_assert_eq!(&headers, &untouched);
            }
            if add(&mut headers, "a") {
                prop_assert_eq!(foreign(&headers), before);
                let found = take(&mut headers);
                prop_assert_eq!(found.as_ref().map(Found::only), Some(Ok("a")));
            }
        }
    }
}
