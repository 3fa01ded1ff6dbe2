//! The page: the endpoint in a browser.
//!
//! It is a few small files that are part of the program: nothing is built for it, and it loads nothing from elsewhere.
//! The files hold no secret and are served without authentication, because the token is typed into the page. Its requests
//! are authenticated like any other.
//!
//! All addresses in the page are relative, so that it works under whatever path the endpoint is mounted.

mod assets;
mod cache;

use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::state::Route;
use assets::Asset;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{OriginalUri, RawPathParams, RawQuery};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache::entity_tag;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;

type Answer = Result<Response, Problem>;

/// What the page may do: run and show what the endpoint serves, and talk to the endpoint. Text that came with an event could
/// do nothing even if the page took it for markup.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// How the addresses in `index.html` begin, as that file is written.
const WRITTEN_PREFIX: &str = "\"page/";

/// What a segment of a path may have that means nothing in HTML.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'%');

/// The page's paths below the endpoint; they are for everybody.
pub(super) fn all() -> Vec<Route> {
    vec![("/", "get", get(index)), ("/page/", "get", get(index)), ("/page/{file}", "get", get(file))]
}

async fn index(OriginalUri(uri): OriginalUri, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    Query::read(query.as_deref(), &[])?;
    let prefix = format!("\"{}", prefix_at(&uri));
    let text = Cow::from(assets::INDEX.replace(WRITTEN_PREFIX, &prefix));
    Ok(respond(&Asset { content_type: "text/html; charset=utf-8", text }, &headers))
}

async fn file(
    path: Result<RawPathParams, RawPathParamsRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    Query::read(query.as_deref(), &[])?;
    let asset = path.ok().and_then(|path| path.iter().last().and_then(|(_, name)| assets::named(name)));
    let asset = asset.ok_or_else(|| Problem::new(ProblemKind::NotFound, "the page has no such file"))?;
    Ok(respond(&asset, &headers))
}

/// Where the files are, seen from the page's own address: a browser takes what is behind the last slash for the name of
/// a file, which it is not where the endpoint is mounted under `/tap` and asked for by just that.
fn prefix_at(uri: &Uri) -> String {
    let path = uri.path();
    match path.rsplit('/').next() {
        Some("") | None if path.ends_with("/page/") => "./".to_owned(),
        Some("") | None => "./page/".to_owned(),
        Some(last) => format!("./{}/page/", utf8_percent_encode(last, ENCODED)),
    }
}

/// A file that a browser validates each time; it is sent only if it has changed.
fn respond(asset: &Asset, asked: &HeaderMap) -> Response {
    let tag = entity_tag(&asset.text);
    let is_known = cache::has(asked, &tag);
    let content = [(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type))];
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (content, asset.text.clone().into_owned()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, tag);
    for (name, value) in PROTECTION {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// What keeps others from framing the page, sharing its process, or learning its address.
const PROTECTION: [(&str, &str); 5] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_from_wherever_the_page_is() {
        for (path, prefix) in [
            ("/", "./page/"),
            ("/tap", "./tap/page/"),
            ("/tap/", "./page/"),
            ("/a/tap", "./tap/page/"),
            ("/tap/page/", "./"),
            ("/a:b", "./a%3Ab/page/"),
            ("/a%20b", "./a%20b/page/"),
            ("/a'&b", "./a%27%26b/page/"),
        ] {
            assert_eq!(prefix_at(&path.parse().unwrap()), prefix, "{path}");
        }
    }

    #[test]
    fn every_file_that_the_page_names_is_there() {
        let mut named: Vec<_> = assets::INDEX.split(WRITTEN_PREFIX).skip(1).collect();
        named.iter_mut().for_each(|rest| *rest = rest.split('"').next().unwrap());
        assert!(named.contains(&"app.js") && named.iter().all(|name| assets::named(name).is_some()), "{named:?}");
    }

    #[test]
    fn every_file_that_there_is_can_be_asked_for() {
        for file in std::fs::read_dir("src/page/assets").unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(name == "index.html" || assets::named(&name).is_some(), "{name} is not in the list");
        }
    }

    #[test]
    fn no_file_has_a_way_to_turn_text_into_markup_or_code() {
        let ways = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "setHTML",
            "srcdoc",
            "eval(",
            "new Function",
            "javascript:",
            "style=",
            "onclick=",
            "<style",
        ];
        for (name, _) in assets::FILES {
            let text = assets::named(name).unwrap().text;
            for way in ways {
                assert!(!text.contains(way), "{name} has {way}");
            }
        }
        assert!(ways.iter().all(|way| !assets::INDEX.contains(way)));
    }
}
