//! The corpus of the fuzz target `endpoint`, replayed without `cargo fuzz`.

mod requests;

isolated! {
    fn every_request_of_the_corpus_ends_and_leaves_no_session() {
        testing::corpus::replay("endpoint", 100, requests::check);
    }
}
