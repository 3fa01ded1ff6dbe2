//! Hostile clients, beyond what the endpoint's own tests try: nobody gets in without a token, and whatever they do no
//! producer and no other reader is held up.

mod bystander;
mod connections;
mod heads;
mod pending;
mod texts;
