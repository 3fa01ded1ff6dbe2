//! The papers and the layout, checked against the code.

use super::problem::ProblemKind;
use super::{form, page, routes, watch};
use std::collections::BTreeSet;

fn openapi() -> serde_json::Value {
    let text = std::fs::read_to_string("../../docs/openapi.yaml").unwrap();
    serde_norway::from_str(&text).unwrap()
}

#[test]
fn the_openapi_file_has_exactly_the_endpoints_there_are() {
    let document = openapi();
    let paths = document["paths"].as_object().unwrap().iter();
    let documented: BTreeSet<_> = paths
        .filter(|(path, _)| cfg!(feature = "cpu") || *path != "/profile")
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let there: BTreeSet<_> = routes::all()
        .iter()
        .chain(&page::all())
        .map(|(path, method, _)| ((*path).to_owned(), (*method).to_owned()))
        .collect();
    assert_eq!(documented, there);
}

#[test]
fn the_openapi_file_has_exactly_the_parameters_of_a_watch() {
    let document = openapi();
    let parameters = document["paths"]["/watch"]["get"]["parameters"].as_array().unwrap().iter();
    let resolved = parameters.map(|parameter| match parameter["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => parameter,
    });
    let queries = resolved.filter(|parameter| parameter["in"] == "query");
    let documented: BTreeSet<_> = queries.map(|parameter| parameter["name"].as_str().unwrap()).collect();
    let read: BTreeSet<_> = watch::PARAMETERS.into_iter().chain(form::PARAMETERS).collect();
    assert_eq!(documented, read);
}

#[cfg(feature = "cpu")]
#[test]
fn the_openapi_file_has_exactly_the_parameters_of_a_profile() {
    let document = openapi();
    let parameters = document["paths"]["/profile"]["get"]["parameters"].as_array().unwrap().iter();
    let named = parameters.map(|parameter| match parameter["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap()["name"].as_str().unwrap(),
        None => parameter["name"].as_str().unwrap(),
    });
    assert_eq!(named.collect::<BTreeSet<_>>(), super::profile::PARAMETERS.into_iter().collect());
}

#[test]
fn the_papers_list_every_problem() {
    let paper = std::fs::read_to_string("../../docs/http.md").unwrap();
    for (status, word, _) in ProblemKind::ALL.map(ProblemKind::row) {
        assert!(paper.contains(&format!("| `{word}` | {status} |")), "{word} is not there with {status}");
    }
}

/// What a file takes from its siblings, tests apart.
fn siblings_used(text: &str) -> BTreeSet<String> {
    let code = text.split("\nmod tests {").next().unwrap();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let after_super = code.split("super::").skip(1).map(|rest| rest.split(';').next().unwrap().to_owned());
    let first_names = after_super.flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap().split(',').map(|name| name.trim().to_owned()).collect(),
        None => vec![rest],
    });
    first_names.map(|name| name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn every_file_uses_only_those_listed_above_it() {
    let library = std::fs::read_to_string("src/lib.rs").unwrap();
    let modules: Vec<_> = library.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let rank = |name: &str| modules.iter().position(|module| *module == name);
    for name in modules.iter().filter(|name| **name != "tests") {
        let file = if *name == "page" { "src/page/mod.rs".to_owned() } else { format!("src/{name}.rs") };
        let used = siblings_used(&std::fs::read_to_string(file).unwrap());
        let below: Vec<_> = used.iter().filter(|used| rank(used) >= rank(name)).collect();
        assert!(below.is_empty(), "{name} uses {below:?}, which lib.rs lists below it");
    }
    assert!(siblings_used("use super::auth::Auth;\nuse super::{page, routes};").iter().eq(["auth", "page", "routes"]));
}
