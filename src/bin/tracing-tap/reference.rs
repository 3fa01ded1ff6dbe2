//! docs/cli.md.
