//! The examples check themselves; here they are run.

#[test]
fn http_endpoint_runs() {
    testing::example::run("http_endpoint");
}
