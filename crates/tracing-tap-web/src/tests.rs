//! What holds the papers to the routes.

use super::problem::Kind;
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

#[test]
fn every_refusal_is_told_of_in_the_papers() {
    let told = std::fs::read_to_string("../../docs/http.md").unwrap();
    for (status, word, _) in Kind::ALL.map(Kind::row) {
        assert!(told.contains(&format!("| `{word}` | {status} |")), "{word} is not there with {status}");
    }
}
