//! What holds the papers to the routes.

use super::endpoints;
use std::collections::BTreeSet;

#[test]
fn the_openapi_file_has_exactly_the_endpoints_there_are() {
    let text = std::fs::read_to_string("docs/openapi.yaml").unwrap();
    let document: serde_json::Value = serde_norway::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let documented: BTreeSet<_> = paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let there: BTreeSet<_> =
        endpoints::all().iter().map(|(path, method, _)| ((*path).to_owned(), (*method).to_owned())).collect();
    assert_eq!(documented, there);
}
